//! `copy`: an image from anywhere to anywhere; as it is, decrypted, encrypted, or encrypted anew.

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_image::engine::Spared;
use sealcrate_image::{
    Artifact, Descriptor, Image, Index, LayerForm, Location, Prefetch, RawManifest, Sink, Source,
};

use super::children::{self, Attestations};
use super::{name_beside, print_index, print_written};
use crate::args::{CompressionKind, CopyArgs, ReadingArgs};
use crate::encryption::{Encryption, Wishes};
use crate::failure::{MissingImageIdentity, MissingKey, Usage};
use crate::opening::{self, Keys, Opened, Protection, Terms};
use crate::session::Session;
use crate::{keys, left_behind};

pub(crate) fn run(args: &CopyArgs, session: &Session) -> Result<()> {
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let passphrase = match keys::named(&args.passphrase)? {
        None if args.decrypt => Some(session.keys.to_decrypt(&args.passphrase)?),
        named => named,
    };
    let keys = Keys::new(passphrase, &args.keys)?;
    let (from, to) = (&args.source, &args.destination);
    let encryption = encryption(args, new_passphrase)?;
    if keys.is_any() && encryption.is_none() {
        refuse_to_publish(to, &args.reading)?;
    }
    let leaves_clear = encryption.is_some() && !keys.is_any();
    let source = match &encryption {
        Some(encryption) => {
            let spared = Spared::default();
            session.places.source(from, encryption.export_form(&session.transfer, &spared))?
        }
        None => session.source(from, to)?,
    };
    let terms = Terms::new(args.reading.unencrypted(), &args.keys);
    let artifact = Artifact::read(&source)?;
    if let (Artifact::Index { raw, index }, None) = (&artifact, &args.reading.platform)
        && children::holds_indexes(to)
        && (index.images().nth(1).is_some() || (encryption.is_none() && !keys.is_any()))
    {
        let written = match (encryption, keys.is_any()) {
            (None, false) => copy_index(session, &source, raw, index, to)?,
            (None, true) => decrypt_index(session, &source, index, to, &keys, terms)?,
            (Some(encryption), _) => {
                let encrypting = Encrypting { args, keys: &keys, terms, encryption: &encryption };
                encrypting.index(session, &source, index)?
            }
        };
        if leaves_clear {
            left_behind::tell(from, to);
        }
        return print_index(args.output, to, &written);
    }
    let image = artifact.into_image(&source, args.reading.platform.as_ref())?;
    let (written, image) = match encryption {
        Some(encryption) => {
            let encrypting = Encrypting { args, keys: &keys, terms, encryption: &encryption };
            let sink = session.places.sink(to)?;
            let image = encrypting.put(session, image, &*sink)?;
            (session.commit(&image, &*sink)?, image)
        }
        None => read_into(session, &Reading { from, to, terms }, image, &keys)?,
    };
    if leaves_clear {
        left_behind::tell(from, to);
    }
    print_written(args.output, to, &written, &image)
}

/// Returns what the destination is encrypted to, if it is.
fn encryption(args: &CopyArgs, passphrase: Option<Passphrase>) -> Result<Option<Encryption>> {
    let wishes = Wishes {
        recipients: &args.recipients,
        encryption: &args.encryption,
        compression: &args.compression,
    };
    if passphrase.is_some() || !args.recipients.recipient.is_empty() {
        return Encryption::begin(wishes, passphrase, || Err(MissingKey.into())).map(Some);
    }
    let text = if !args.selection.is_none() {
        "layers are chosen for encryption, but no --recipient says to whom, and no --new-pass-file or \
         --new-pass-fd under which passphrase"
    } else if !args.recipients.is_none() {
        "--format and --keep-history are for images that are encrypted, with --recipient, \
         --new-pass-file or --new-pass-fd"
    } else if args.compression.compression == CompressionKind::Zstd {
        "--compression zstd is for images that are encrypted to recipients"
    } else {
        return Ok(None);
    };
    Err(Usage(text.to_owned()).into())
}

/// A decrypted image goes to a registry only if that is said.
pub(super) fn refuse_to_publish(to: &Location, args: &ReadingArgs) -> Result<()> {
    if matches!(to, Location::Registry(_)) && !args.publish_decrypted {
        let text = "a decrypted image is not written to a registry unless --publish-decrypted \
                    says so";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(())
}

/// From where to where an image is read, and on which terms.
pub(super) struct Reading<'a> {
    pub(super) from: &'a Location,
    pub(super) to: &'a Location,
    pub(super) terms: Terms,
}

/// Writes `image`, decrypted if there are keys, to its destination. Returns what was written.
pub(super) fn read_into(
    session: &Session,
    reading: &Reading<'_>,
    image: Image,
    keys: &Keys,
) -> Result<(Descriptor, Image)> {
    let protection = Protection::of(&image)?;
    let (downloads, image) = session.ahead(reading.from, image);
    let opened = if keys.is_any() {
        opening::open(&image, keys, reading.terms, session.places.spool())?
    } else {
        Opened::unchanged(image)
    };
    let sink = session.places.sink(reading.to)?;
    if opened.image.manifest.is_some() && sink.layer_form() == LayerForm::AsItComes {
        // An engine or its archive would take ciphertext for a broken layer.
        match protection {
            Some(protection) if protection.takes_passphrase() => {
                return Err(anyhow::Error::new(MissingKey).context("the image is encrypted"));
            }
            Some(_) => return Err(MissingImageIdentity.into()),
            None => {}
        }
    }
    let image = session.put_plain(&opened.image, downloads, &*sink)?;
    opened.tell_wrong_digests();
    let written = session.commit(&image, &*sink)?;
    Ok((written, image))
}

/// Encrypts images, after decrypting them if there are keys for them.
struct Encrypting<'a> {
    args: &'a CopyArgs,
    keys: &'a Keys,
    terms: Terms,
    encryption: &'a Encryption,
}

impl Encrypting<'_> {
    /// Puts the layers of `image` into `sink`, and returns the encrypted image, which is not committed
    /// yet.
    fn put(&self, session: &Session, image: Image, sink: &dyn Sink) -> Result<Image> {
        let args = self.args;
        let mut selection =
            session.selection(&args.selection, |base| name_beside(base, &args.source))?;
        let opened = if self.keys.is_any() {
            // What was private stays private, unless something else is asked for.
            if let (true, Some(protection)) = (args.selection.is_none(), Protection::of(&image)?) {
                selection = protection.selection(&image)?;
            }
            opening::open(&image, self.keys, self.terms, session.places.spool())?
        } else {
            Opened::unchanged(image)
        };
        let encryptor = self.encryption.encryptor(&opened.image, &selection)?;
        let image = session.put_encrypted(&opened.image, &encryptor, sink)?;
        opened.tell_wrong_digests();
        Ok(image)
    }

    /// Encrypts every image of an index into the destination.
    fn index(
        &self,
        session: &Session,
        source: &Arc<dyn Source>,
        index: &Index,
    ) -> Result<Descriptor> {
        if self.args.selection.base.is_some() {
            let text = "--base names the image of one platform: choose it with --platform";
            return Err(Usage(text.to_owned()).into());
        }
        let sink = session.places.sink(&self.args.destination)?;
        let encrypt = |image| self.put(session, image, &*sink);
        let index = children::put(session, source, index, &*sink, Attestations::Drop, encrypt)?;
        Ok(session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?)
    }
}

/// Decrypts every image of an index into its destination.
pub(super) fn decrypt_index(
    session: &Session,
    source: &Arc<dyn Source>,
    index: &Index,
    to: &Location,
    keys: &Keys,
    terms: Terms,
) -> Result<Descriptor> {
    let sink = session.places.sink(to)?;
    let decrypt = |image: Image| {
        let opened = opening::open(&image, keys, terms, session.places.spool())?;
        let image = session.put_plain(&opened.image, Prefetch::default(), &*sink)?;
        opened.tell_wrong_digests();
        Ok(image)
    };
    let index = children::put(session, source, index, &*sink, Attestations::Keep, decrypt)?;
    Ok(session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?)
}

/// Copies an index and everything that it names, byte for byte.
pub(super) fn copy_index(
    session: &Session,
    source: &Arc<dyn Source>,
    raw: &RawManifest,
    index: &Index,
    to: &Location,
) -> Result<Descriptor> {
    let sink: Arc<dyn Sink> = session.places.sink(to)?;
    for child in &index.manifests {
        let image = Artifact::child(source, child)?.into_image(source, None)?;
        sink.put_child(&session.put_plain(&image, Prefetch::default(), &*sink)?)?;
    }
    Ok(session.interrupt.hold(|| sink.commit_index(raw))?)
}
