//! `copy`: an image from anywhere to anywhere; as it is, decrypted, encrypted, or encrypted anew.

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::select::Selection;
use sealcrate_image::engine::Spared;
use sealcrate_image::{
    Artifact, Descriptor, Image, Index, LayerForm, Location, Prefetch, RawManifest, Sink, Source,
};

use super::{name_beside, print, print_written};
use crate::args::{CopyArgs, ReadingArgs};
use crate::failure::{MissingKey, Usage};
use crate::keys;
use crate::session::{self, PendingKey, Session, protection};

pub(crate) fn run(args: &CopyArgs, session: &Session) -> Result<()> {
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let passphrase = match keys::named(&args.passphrase)? {
        None if args.decrypt => Some(session.keys.to_decrypt(&args.passphrase)?),
        named => named,
    };
    let (from, to) = (&args.source, &args.destination);
    if passphrase.is_some() && new_passphrase.is_none() {
        refuse_to_publish(to, &args.reading)?;
    }
    if new_passphrase.is_none() && !args.selection.is_none() {
        let text = "layers are chosen for encryption, but no --new-pass-file or --new-pass-fd \
                    says under which passphrase";
        return Err(Usage(text.to_owned()).into());
    }
    let key = new_passphrase.map(|passphrase| session::begin_key(passphrase, &args.encryption));
    let source = session.source(from, to, &Spared::default())?;
    let reading = Reading { from, to, args: &args.reading };
    let (written, image) = match key {
        Some(key) => encrypt_into(args, session, &source, passphrase, key)?,
        None => {
            let artifact = Artifact::read(&source)?;
            if let (Artifact::Index { raw, index }, None) = (&artifact, &passphrase)
                && args.reading.platform.is_none()
                && holds_indexes(to)
            {
                let written = copy_index(session, &source, raw, index, to)?;
                let line = match to {
                    Location::Registry(reference) => super::digested(reference, &written),
                    other => other.to_string(),
                };
                return print(args.output, &line, &serde_json::to_value(&written)?);
            }
            let image = artifact.into_image(&source, args.reading.platform.as_ref())?;
            read_into(session, &reading, image, passphrase)?
        }
    };
    print_written(args.output, to, &written, &image)
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

/// Reads one image from `source`.
pub(super) fn read_image(source: &Arc<dyn Source>, args: &ReadingArgs) -> Result<Image> {
    Ok(Artifact::read(source)?.into_image(source, args.platform.as_ref())?)
}

/// From where to where an image is read.
pub(super) struct Reading<'a> {
    pub(super) from: &'a Location,
    pub(super) to: &'a Location,
    pub(super) args: &'a ReadingArgs,
}

/// Writes `image`, decrypted if there is a passphrase, to its destination. Returns what was written.
pub(super) fn read_into(
    session: &Session,
    reading: &Reading<'_>,
    image: Image,
    passphrase: Option<Passphrase>,
) -> Result<(Descriptor, Image)> {
    let is_encrypted = protection(&image)?.is_some();
    let (downloads, image) = session.ahead(reading.from, image);
    let image = match passphrase {
        Some(passphrase) => session.decrypt(&image, passphrase, reading.args)?.image,
        None => image,
    };
    let sink = session.places.sink(reading.to)?;
    if is_encrypted && image.manifest.is_some() && sink.layer_form() == LayerForm::AsItComes {
        // An engine or its archive would take ciphertext for a broken layer.
        return Err(anyhow::Error::new(MissingKey).context("the image is encrypted"));
    }
    let image = session.put_plain(&image, downloads, &*sink)?;
    let written = session.commit(&image, &*sink)?;
    Ok((written, image))
}

/// Encrypts an image, after decrypting it if there is a passphrase for it.
fn encrypt_into(
    args: &CopyArgs,
    session: &Session,
    source: &Arc<dyn Source>,
    passphrase: Option<Passphrase>,
    key: PendingKey,
) -> Result<(Descriptor, Image)> {
    let mut image = read_image(source, &args.reading)?;
    let mut selection =
        session.selection(&args.selection, |base| name_beside(base, &args.source))?;
    if let Some(passphrase) = passphrase {
        // What was private stays private, unless something else is asked for.
        if let (true, Some(protection)) = (args.selection.is_none(), protection(&image)?) {
            let places = 0..i64::try_from(protection.layers.len())?;
            let encrypted = places.zip(&protection.layers).filter(|(_, data)| data.is_some());
            selection = Selection::Indices(encrypted.map(|(place, _)| place).collect());
        }
        image = session.decrypt(&image, passphrase, &args.reading)?.image;
    }
    let encryptor = key.encryptor(&image, &selection, &args.encryption)?;
    let sink = session.places.sink(&args.destination)?;
    let image = session.put_encrypted(&image, &encryptor, &*sink)?;
    let written = session.commit(&image, &*sink)?;
    Ok((written, image))
}

fn holds_indexes(location: &Location) -> bool {
    matches!(
        location,
        Location::Registry(_) | Location::OciLayout { .. } | Location::OciArchive { .. }
    )
}

/// Copies an index and everything that it names, byte for byte.
fn copy_index(
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
