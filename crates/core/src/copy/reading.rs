//! The copy that is not encrypted: decrypted, or as it is.

use std::sync::Arc;

use sealcrate_crypt::format::{Keys, Opened, Terms};
use sealcrate_crypt::formats::recognise;
use sealcrate_image::{
    Artifact, Descriptor, Image, Index, LayerForm, Location, NoKeys, Outgoing, Prefetch,
    RawManifest, Sink, Source,
};

use crate::error::Error;
use crate::index::Attestations;
use crate::index::chosen::Chosen;
use crate::index::opened::OpenedIndex;
use crate::opening::{open, tell_wrong_digests};
use crate::session::Session;
use crate::{Result, Written};

/// The source and the destination of an image that is read, and the terms for it.
pub(crate) struct Reading<'a> {
    pub(crate) from: &'a Location,
    pub(crate) to: &'a Location,
    pub(crate) terms: &'a Terms,
}

/// Writes the image that was `chosen`, decrypted if there are keys, to its destination.
pub(crate) fn read_into(
    session: &Session,
    source: &Arc<dyn Source>,
    reading: &Reading<'_>,
    chosen: Chosen,
    keys: &Keys,
) -> Result<Written> {
    let (downloads, image) = session.prefetched(reading.from, chosen.image);
    let chosen = Chosen { image, ..chosen };
    let opened = match keys.absent() {
        Some(no_keys) => Opened::unchanged(Outgoing::as_read(chosen.image, no_keys)),
        None => chosen.open(session, source, keys, reading.terms)?,
    };
    let sink = session.places.sink(reading.to)?;
    if !keys.is_any() && sink.layer_form() == LayerForm::AsItComes {
        // An engine or its archive would take ciphertext for a broken layer.
        match recognise(&opened.image)? {
            Some(encrypted) if encrypted.takes_passphrase() => {
                return Err(Error::MissingPassphrase);
            }
            Some(_) => return Err(Error::MissingIdentity),
            None => {}
        }
    }
    let image = session.put_plain(&opened.image, downloads, &*sink)?;
    tell_wrong_digests(session, &opened);
    let written = session.commit(&image, &*sink)?;
    Ok(Written::Image(written, Box::new(image.into_image())))
}

/// Decrypts every image of an index into its destination.
pub(crate) fn decrypt_index(
    session: &Session,
    source: &Arc<dyn Source>,
    index: &Index,
    reading: &Reading<'_>,
    keys: &Keys,
    attestations: Attestations,
) -> Result<Descriptor> {
    let sink = session.places.sink(reading.to)?;
    let open = |image: &Image| open(session, image, keys, reading.terms);
    let opened = OpenedIndex::read(session, source, index, reading.terms, attestations, open)?;
    let index = opened.put_decrypted(session, source, &*sink, attestations)?;
    session.commit_index(&index, &*sink)
}

/// Copies an index, and all manifests and blobs that it names, byte for byte.
pub(crate) fn copy_index(
    session: &Session,
    source: &Arc<dyn Source>,
    raw: &RawManifest,
    index: &Index,
    to: &Location,
    no_keys: NoKeys,
) -> Result<Descriptor> {
    let sink: Arc<dyn Sink> = session.places.sink(to)?;
    for child in &index.manifests {
        let image = Artifact::child(source, child)?.into_image(source, None)?;
        let image = Outgoing::as_read(image, no_keys);
        sink.put_child(&session.put_plain(&image, Prefetch::default(), &*sink)?)?;
    }
    let _names = session.names();
    Ok(sink.commit_index(raw)?)
}
