//! Indexes that are encrypted: first the layers of every child, then all children with one table that binds
//! them to each other.

use std::sync::Arc;

use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_crypt::sealed::{Home, Row, RowKind, Sealing, Table};
use sealcrate_image::{
    Artifact, Descriptor, Digest, Image, Index, Layer, MediaType, Outgoing, Prefetch, RawManifest,
    Remarks, Sink, Source,
};

use super::Attestations;
use super::children::{put_attestation, put_image};
use super::opened::tell_dropped;
use crate::Result;
use crate::encrypting::finish;
use crate::error::Refusal;
use crate::index::chosen::check_platform;
use crate::listener::Notice;
use crate::session::Session;

/// How many indexes may lie within each other.
const MAX_NESTING: usize = 4;

/// An image whose encrypted layers are in the sink, and which is not sealed yet.
pub(crate) struct Unsealed {
    pub encryptor: Box<dyn ImageEncryptor>,
    /// As it was before encryption.
    pub image: Image,
    pub layers: Vec<Layer>,
}

impl Unsealed {
    /// Seals the image, and returns it encrypted.
    pub(crate) fn seal(&self, session: &Session, sealing: &Sealing) -> Result<Outgoing> {
        finish(session, &*self.encryptor, self.layers.clone(), sealing)
    }
}

/// How one child of an index is written.
pub(crate) enum Part {
    /// An attestation that stays in clear.
    Attestation,
    /// An image that stays in clear.
    Clear(Box<Image>),
    /// An attestation that is left out.
    Dropped,
    /// An image whose layers are encrypted.
    Unsealed(Box<Unsealed>),
}

/// An index that was encrypted, and its images, each before and after encryption.
pub(crate) struct SealedIndex {
    pub index: Index,
    pub images: Vec<(Unsealed, Image)>,
}

/// Returns `index` with the children of inner indexes in the place of these. A note tells the user so.
///
/// # Errors
/// Errors of reading; indexes that lie within each other, too deep.
pub(crate) fn flattened(
    session: &Session,
    source: &Arc<dyn Source>,
    index: &Index,
) -> Result<Index> {
    let is_index = |child: &Descriptor| child.media_type.is_index();
    let mut flat = index.clone();
    for _ in 0..MAX_NESTING {
        if !flat.manifests.iter().any(is_index) {
            if flat.manifests.len() != index.manifests.len() || index.manifests.iter().any(is_index)
            {
                session.notice(Notice::FlatIndex);
            }
            return Ok(flat);
        }
        let mut manifests = Vec::with_capacity(flat.manifests.len());
        for child in flat.manifests {
            match Artifact::child(source, &child)? {
                Artifact::Index { index: inner, .. } => manifests.extend(inner.manifests),
                Artifact::Image(_) => manifests.push(child),
            }
        }
        flat.manifests = manifests;
    }
    Err(Refusal::TooDeep.into())
}

/// The parts that every child of an index shares.
pub(crate) struct IndexSealing<'a> {
    pub session: &'a Session,
    pub source: &'a Arc<dyn Source>,
    pub sink: &'a dyn Sink,
    pub home: Option<Home>,
}

impl IndexSealing<'_> {
    /// Encrypts the images of `index` by `part`, which puts the layers of each, and seals them together.
    ///
    /// # Errors
    /// Errors of `part`; an image for another platform than the index states; errors of the sink.
    pub(crate) fn put(
        &self,
        index: &Index,
        media_type: MediaType,
        remarks: Remarks,
        mut part: impl FnMut(usize, &Descriptor) -> Result<Part>,
    ) -> Result<SealedIndex> {
        let (mut parts, mut dropped) = (Vec::new(), Vec::new());
        for (place, child) in index.manifests.iter().enumerate() {
            let part = part(place, child)?;
            match &part {
                Part::Dropped => dropped.push(child.digest.short()),
                Part::Unsealed(unsealed) => check_platform(child, &unsealed.image)?,
                Part::Attestation | Part::Clear(_) => {}
            }
            parts.push((child.clone(), part));
        }
        tell_dropped(self.session, dropped);
        parts.retain(|(_, part)| !matches!(part, Part::Dropped));
        let table = Table::draw(media_type, remarks, rows(&parts))?;
        let sealing = Sealing { table: Some(table), home: self.home.clone() };
        self.put_sealed(parts, &sealing)
    }

    /// Puts manifests and configs, sealed with the table.
    fn put_sealed(&self, parts: Vec<(Descriptor, Part)>, sealing: &Sealing) -> Result<SealedIndex> {
        let (mut put, mut images) = (Vec::with_capacity(parts.len()), Vec::new());
        for (child, part) in parts {
            let descriptor = match part {
                Part::Attestation => put_attestation(self.session, self.source, &child, self.sink)?,
                Part::Clear(image) => {
                    let (sink, ahead) = (self.sink, Prefetch::default());
                    let image = Outgoing::built(*image);
                    let image = self.session.put_plain(&image, ahead, sink)?;
                    described(&put_image(image, sink)?, &child)
                }
                Part::Unsealed(unsealed) => {
                    let image = unsealed.seal(self.session, sealing)?;
                    let descriptor = described(&put_image(image.clone(), self.sink)?, &child);
                    images.push((*unsealed, image.into_image()));
                    descriptor
                }
                Part::Dropped => continue,
            };
            put.push(Some(descriptor));
        }
        let table = sealing.table.as_ref().expect("an index has a table");
        Ok(SealedIndex { index: stored_index(table, &put), images })
    }
}

/// Returns the rows of the table.
fn rows(parts: &[(Descriptor, Part)]) -> Vec<Row> {
    let place = |digest: Digest| parts.iter().position(|(child, _)| child.digest == digest);
    let row = |(child, part): &(Descriptor, Part)| {
        let kind = match part {
            Part::Unsealed(unsealed) => {
                let platform = child.platform.as_ref();
                RowKind::Image(unsealed.encryptor.identity(platform, &unsealed.layers))
            }
            Part::Attestation | Part::Clear(_) | Part::Dropped => RowKind::Manifest(child.digest),
        };
        Row::new(kind, child, place)
    };
    parts.iter().map(row).collect()
}

/// Describes a child in the index that everybody reads, by its platform alone.
pub(crate) fn described(raw: &RawManifest, child: &Descriptor) -> Descriptor {
    let mut descriptor = raw.descriptor();
    descriptor.platform.clone_from(&child.platform);
    descriptor
}

/// Makes the index that everybody reads out of the children of `table` that were `put`. Attestations have to
/// state their kind; all other annotations are sealed.
pub(crate) fn stored_index(table: &Table, put: &[Option<Descriptor>]) -> Index {
    let manifests = table.descriptors(put).into_iter().map(|mut child| {
        if !Index::is_attestation(&child) {
            child.annotations.clear();
            child.artifact_type = None;
        }
        child
    });
    Index::new(manifests.collect())
}

/// Returns how to write an attestation.
pub(crate) fn attestation(wanted: Attestations) -> Part {
    match wanted {
        Attestations::Keep => Part::Attestation,
        Attestations::Drop => Part::Dropped,
    }
}
