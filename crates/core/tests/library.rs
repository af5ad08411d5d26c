//! The operations, driven as a library: files alone, without the program, a network or an engine.

#![allow(clippy::unwrap_used)]

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

use sealcrate_core::{
    Attestations, CopyEncryption, CopyOptions, DataKeys, Direct, Existing, Exposure, FileSession,
    InspectOptions, Inspected, LockOptions, PackOptions, Publication, RewrapOptions, Session,
    UnlockOptions, UnpackOptions, UnpackedPart, copy, inspect, lock, pack, rewrap, unlock, unpack,
};
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::format::{Keys, NewReaders, Terms};
use sealcrate_crypt::ocicrypt::{History, Identity, Recipient, ToRecipients};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_crypt::select::Selection;
use sealcrate_image::registry::Access;
use sealcrate_image::{Compression, Config, Digest, Location, Quiet, Spool};
use sealcrate_lock::{Locker, Privileges, Start, UnlockOn};
use sealcrate_pack::{Key, NewIdentity, Openers};

type Tested = Result<(), Box<dyn Error>>;

/// The image that all tests begin with: two layers of an ordinary image.
const PLAIN: &str = "oci:tests/data/plain:1";

fn session() -> Session {
    let spool = Spool::in_folder(std::env::temp_dir());
    Session::new(Direct::new(spool.clone(), |_| Access::default()), spool)
}

/// Returns an image of the layout in `folder`.
fn image(folder: &Path, name: &str) -> Location {
    format!("oci:{}:{name}", folder.display()).parse().unwrap()
}

fn keys(identity: &NewIdentity) -> Keys {
    Keys::new(vec![Identity::parse(identity.secret.as_bytes()).unwrap()], None)
}

fn key(identity: &NewIdentity) -> Key {
    Key::parse(identity.secret.as_bytes().to_vec().into()).unwrap()
}

fn inspected(session: &Session, location: &Location, keys: &Keys) -> Inspected {
    let options = InspectOptions { location, platform: None, unbound: Unbound::Accept };
    inspect(session, &options, keys).unwrap()
}

/// Reads every layer of an image, and returns the digest of its config and of each layer's content.
fn content(session: &Session, location: &Location) -> (Digest, Vec<Digest>) {
    let image = inspected(session, location, &Keys::default()).image;
    let layers = image.layers.iter().map(|layer| {
        let mut content = Vec::new();
        let mut reader = layer.unpack(layer.open().unwrap()).unwrap();
        io::copy(&mut reader, &mut content).unwrap();
        Digest::of(&content)
    });
    let layers: Vec<Digest> = layers.collect();
    let config = Config::parse(&image.config).unwrap();
    assert_eq!(layers, config.diff_ids().iter().map(|id| id.0).collect::<Vec<_>>());
    (image.id(), layers)
}

/// Copies an image. Private layers stay private, and nothing goes to a registry.
fn copied(
    session: &Session,
    (from, to): (&Location, &Location),
    keys: &Keys,
    encrypting: Option<CopyEncryption<'_>>,
) -> Result<sealcrate_core::Written, sealcrate_core::Error> {
    copy(
        session,
        &CopyOptions {
            from,
            to,
            keys,
            terms: &Terms::anywhere(Unencrypted::Refuse, Unbound::Accept),
            platform: None,
            attestations: Attestations::Drop,
            encrypting,
            publication: Publication::Refuse,
        },
    )
}

#[test]
fn images_are_encrypted_handed_on_and_decrypted_again() -> Tested {
    let folder = tempfile::tempdir()?;
    let (plain, session) = (PLAIN.parse()?, session());
    let [private, team, back] = ["private", "team", "back"].map(|name| image(folder.path(), name));
    let [mine, theirs] = [NewIdentity::generate()?, NewIdentity::generate()?];

    let recipients = vec![Recipient::age(&mine.recipient.to_string())?];
    let encryption = ToRecipients::new(recipients, None, Compression::Gzip, History::Keep);
    let encrypting = CopyEncryption {
        encryption: &encryption,
        selection: Some(&Selection::All),
        exposure: Exposure::Refuse,
    };
    copied(&session, (&plain, &private), &Keys::default(), Some(encrypting))?;

    let stranger = inspected(&session, &private, &Keys::default());
    let encrypted = stranger.encrypted.expect("it is encrypted");
    assert!((0..2).all(|place| encrypted.has_layer(place)));
    assert!(stranger.inside.is_none(), "a stranger sees the record");
    let reader = inspected(&session, &private, &keys(&mine)).inside.expect("the key opens it");
    assert!(reader.record.is_some() && reader.lists_all_readers);

    let new = Recipient::age(&theirs.recipient.to_string())?;
    rewrap(
        &session,
        &RewrapOptions {
            from: &private,
            to: &team,
            ask: &|| Err("there is nobody to ask".into()),
            unbound: Unbound::Refuse,
            home: None,
            new: &NewReaders::new(vec![new], Vec::new(), None, 0),
            data_keys: DataKeys::Keep,
            attestations: Attestations::Drop,
        },
        &mut keys(&mine),
    )?;

    // The new reader opens the handed on image alone.
    assert!(copied(&session, (&private, &back), &keys(&theirs), None).is_err());
    copied(&session, (&team, &back), &keys(&theirs), None)?;
    assert_eq!(content(&session, &back), content(&session, &plain));
    Ok(())
}

#[test]
fn programs_are_packed_and_unpacked() -> Tested {
    let folder = tempfile::tempdir()?;
    let [program, packed, back] =
        ["program", "packed", "back"].map(|name| folder.path().join(name));
    // The stub of this machine is a small program of its own.
    fs::write(&program, sealcrate_pack::stubs()[0].bytes)?;
    let [mine, other] = [NewIdentity::generate()?, NewIdentity::generate()?];
    let session = FileSession::new();
    let written = pack(
        &session,
        &PackOptions {
            program: &program,
            to: &packed,
            existing: Existing::Keep,
            privileges: Privileges::Refuse,
            start: Start { variable: "BP", key_file: b"/run/secrets/bp", banner: b"" },
            folder: None,
            compression: sealcrate_pack::Compression::Lz4,
            openers: &|| Ok(Openers::recipients(vec![mine.recipient.clone()])?),
        },
    )?;
    assert_eq!(written.digest, Digest::of(&fs::read(&packed)?));
    assert_eq!(written.target, sealcrate_pack::stubs()[0].target);

    let unpacked = |identity: &NewIdentity| {
        let key = |_: &_| Ok(key(identity));
        let part = UnpackedPart::Program { key: &key };
        let options = UnpackOptions { packed: &packed, to: &back, existing: Existing::Keep, part };
        unpack(&session, &options)
    };
    assert!(unpacked(&other).is_err());
    assert!(!back.exists(), "another key leaves a file behind");
    let written = unpacked(&mine)?;
    assert_eq!(written.digest, Digest::of(&fs::read(&program)?));
    assert_eq!(fs::read(&back)?, fs::read(&program)?);
    Ok(())
}

#[test]
fn images_are_locked_and_unlocked() -> Tested {
    let folder = tempfile::tempdir()?;
    let (plain, session) = (PLAIN.parse()?, session());
    let [locked, back] = ["locked", "back"].map(|name| image(folder.path(), name));
    let mine = NewIdentity::generate()?;
    let mut count = 0;
    lock(
        &session,
        &LockOptions {
            from: &plain,
            to: &locked,
            platform: None,
            selection: &Selection::Indices(vec![1]),
            locker: Locker {
                start: Start { variable: "KEY", key_file: b"/run/secrets/key", banner: b"" },
                protection: &Openers::recipients(vec![mine.recipient.clone()])?,
                rules: Default::default(),
                dropped_volumes: Vec::new(),
                unlock_on: UnlockOn::Memory,
                spool: session.spool(),
                progress: &Quiet,
            },
            earlier: &[],
            identities: None,
            exposure: Exposure::Refuse,
        },
        &mut |_locked| {
            count += 1;
            Ok(())
        },
    )?;
    assert_eq!(count, 1);
    assert_ne!(content(&session, &locked).1, content(&session, &plain).1);
    let options = UnlockOptions {
        from: &locked,
        to: &back,
        platform: None,
        publication: Publication::Refuse,
    };
    unlock(&session, &options, &|_locked| Ok(key(&mine)))?;
    assert_eq!(content(&session, &back), content(&session, &plain));
    Ok(())
}
