//! Indexes that are opened: every child with the keys, and all of them checked against the table that they
//! seal.

use std::collections::HashMap;
use std::sync::Arc;

use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::format::{EncryptedImage, Opened, Terms};
use sealcrate_crypt::formats::{OpenError, recognise};
use sealcrate_crypt::sealed::{ImageIdentity, SealedRecord, Table, TableError};
use sealcrate_image::{
    ATTESTATION, ATTESTED, Artifact, Descriptor, Digest, Image, Index, MediaType, Outgoing,
    Prefetch, Remarks, Sink, Source,
};

use super::children::{put_attestation, put_image};
use super::{Attestations, WhyDropped};
use crate::Result;
use crate::error::{Error, Refusal};
use crate::index::chosen::{check_platform, in_clear, tell_unbound_index};
use crate::listener::Notice;
use crate::opening::tell_wrong_digests;
use crate::session::Session;

/// An index whose children are open, in order.
pub(crate) struct OpenedIndex<T> {
    pub index: Index,
    pub children: Vec<Child<T>>,
    /// The table that all encrypted children seal.
    pub table: Option<Table>,
}

/// One child of an index.
pub(crate) enum Child<T> {
    /// An attestation, which nobody opened.
    Attestation,
    /// An image in clear, which the table names or the user accepts.
    Clear(Box<Image>),
    /// An encrypted image that was opened.
    Opened(T),
}

/// The open part of an encrypted image.
pub(crate) trait HasRecord {
    /// Returns the sealed record, where there is one.
    fn record(&self) -> Option<&SealedRecord>;
}

impl HasRecord for Opened {
    fn record(&self) -> Option<&SealedRecord> {
        self.record.as_deref()
    }
}

impl<T: HasRecord> OpenedIndex<T> {
    /// Opens the encrypted images of `index` by `open`, and checks all children against the table that these
    /// seal.
    ///
    /// # Errors
    /// Errors of reading and opening; an index that differs from the sealed one; a child in clear that the
    /// table does not name, unless `terms` accept it, attestations included where they are kept; no encrypted
    /// child.
    pub(crate) fn open(
        session: &Session,
        source: &Arc<dyn Source>,
        index: &Index,
        terms: &Terms,
        attestations: Attestations,
        mut open: impl FnMut(&Image, &dyn EncryptedImage, &Descriptor) -> Result<T>,
    ) -> Result<Self> {
        let mut children = Vec::with_capacity(index.manifests.len());
        let mut identities: HashMap<Digest, ImageIdentity> = HashMap::new();
        let mut nested = None;
        for child in &index.manifests {
            if Index::is_attestation(child) {
                children.push(Child::Attestation);
                continue;
            }
            let Artifact::Image(image) = Artifact::child(source, child)? else {
                nested = Some(child.digest);
                continue;
            };
            children.push(match recognise(&image)? {
                Some(encrypted) => {
                    let identity = encrypted.identity(child.platform.as_ref());
                    identities.insert(child.digest, identity);
                    Child::Opened(open(&image, &*encrypted, child)?)
                }
                None => Child::Clear(Box::new(image)),
            });
        }
        if let Some(nested) = nested {
            return Err(refused(nested, &children));
        }
        let opened = Self { index: index.clone(), children, table: None };
        opened.held(session, terms, attestations, &identities)
    }

    /// Checks the children against the table that they seal.
    fn held(
        mut self,
        session: &Session,
        terms: &Terms,
        attestations: Attestations,
        identities: &HashMap<Digest, ImageIdentity>,
    ) -> Result<Self> {
        let records = self.children.iter().filter_map(|child| match child {
            Child::Opened(opened) => Some(opened.record()),
            Child::Clear(_) | Child::Attestation => None,
        });
        let tables: Vec<Option<&Table>> =
            records.map(|record| record.and_then(|record| record.index.as_ref())).collect();
        let any_encrypted = !tables.is_empty();
        let table = Table::common(tables)?.cloned();
        let accepts = terms.unencrypted == Unencrypted::Accept;
        if !any_encrypted && !accepts {
            return Err(OpenError::NotEncrypted.into());
        }
        for (child, descriptor) in self.children.iter().zip(&self.index.manifests) {
            let is_named = || table.as_ref().is_some_and(|table| table.names(descriptor.digest));
            let comes_along = match child {
                Child::Clear(_) => true,
                // If there is a table, all attestations are compared with it.
                Child::Attestation => attestations == Attestations::Keep && table.is_none(),
                Child::Opened(_) => false,
            };
            if comes_along && !accepts && !is_named() {
                return Err(in_clear(descriptor));
            }
        }
        match &table {
            Some(table) => {
                table.check(&self.index, |child| identities.get(&child.digest).copied())?;
            }
            None if self.children.len() > 1 && any_encrypted => tell_unbound_index(session, terms)?,
            None => {}
        }
        self.table = table;
        Ok(self)
    }
}

/// Says why the index `nested` is no child of an index whose images are open: no sealed index has one.
fn refused<T: HasRecord>(nested: Digest, children: &[Child<T>]) -> Error {
    let is_sealed = |child: &Child<T>| match child {
        Child::Opened(opened) => opened.record().is_some_and(|record| record.index.is_some()),
        Child::Attestation | Child::Clear(_) => false,
    };
    if children.iter().any(is_sealed) {
        return TableError::Child(nested.short()).into();
    }
    Refusal::NestedIndex.into()
}

impl<T> OpenedIndex<T> {
    /// Returns the type of the index, its remarks and its children, from the table. Without a table it returns
    /// only the parts that no stranger can have set.
    pub(crate) fn described(&self) -> (MediaType, Remarks, Index) {
        let children: Vec<_> = self.index.manifests.iter().cloned().map(Some).collect();
        match &self.table {
            Some(table) => {
                let index = Index::new(table.descriptors(&children));
                (table.media_type.clone(), table.remarks.clone(), index)
            }
            None => {
                let index = unsealed_index(&self.index, children);
                (MediaType::OCI_INDEX, Remarks::default(), index)
            }
        }
    }
}

impl OpenedIndex<Opened> {
    /// Opens the images of `index` with `open`, which opens one image, and compares each with the platform
    /// that the index states.
    ///
    /// # Errors
    /// As [`open`](Self::open); another platform.
    pub(crate) fn read(
        session: &Session,
        source: &Arc<dyn Source>,
        index: &Index,
        terms: &Terms,
        attestations: Attestations,
        open: impl Fn(&Image) -> Result<Opened>,
    ) -> Result<Self> {
        Self::open(session, source, index, terms, attestations, |image, _, child| {
            let opened = open(image)?;
            check_platform(child, &opened.image)?;
            Ok(opened)
        })
    }

    /// Puts all images in clear into `sink`, and returns their index, built from the table.
    ///
    /// # Errors
    /// Errors of the layers and the sink.
    pub(crate) fn put_decrypted(
        self,
        session: &Session,
        source: &Arc<dyn Source>,
        sink: &dyn Sink,
        attestations: Attestations,
    ) -> Result<Index> {
        let (mut put, mut dropped) = (Vec::with_capacity(self.children.len()), Vec::new());
        for (child, stated) in self.children.into_iter().zip(&self.index.manifests) {
            put.push(match child {
                Child::Opened(opened) => {
                    let image = session.put_plain(&opened.image, Prefetch::default(), sink)?;
                    tell_wrong_digests(session, &opened);
                    Some(put_image(image, sink)?.descriptor())
                }
                Child::Clear(image) => {
                    let image = Outgoing::built(*image);
                    let image = session.put_plain(&image, Prefetch::default(), sink)?;
                    Some(put_image(image, sink)?.descriptor())
                }
                Child::Attestation if attestations == Attestations::Keep => {
                    Some(put_attestation(session, source, stated, sink)?)
                }
                Child::Attestation => {
                    dropped.push(stated.digest.short());
                    None
                }
            });
        }
        tell_dropped(session, dropped);
        match &self.table {
            Some(table) => {
                let manifests = table.descriptors(&put);
                let media_type = type_of(&table.media_type, &manifests);
                Ok(Index::new(manifests).with_remarks(media_type, table.remarks.clone()))
            }
            None => Ok(unsealed_index(&self.index, put)),
        }
    }
}

/// Makes an index of children that nothing binds to each other. It keeps only their platforms, and the
/// annotations that say what an attestation is about.
pub(crate) fn unsealed_index(index: &Index, put: Vec<Option<Descriptor>>) -> Index {
    let became = |digest: Digest| {
        let place = index.manifests.iter().position(|child| child.digest == digest)?;
        put.get(place)?.as_ref().map(|child| child.digest)
    };
    let manifests = put.iter().zip(&index.manifests).filter_map(|(put, stated)| {
        let Descriptor { media_type, digest, size, .. } = put.clone()?;
        let mut descriptor = Descriptor::new(media_type, digest, size);
        descriptor.platform.clone_from(&stated.platform);
        if Index::is_attestation(stated) {
            // A stranger may have set the others.
            descriptor.annotations.clone_from(&stated.annotations);
            descriptor.annotations.retain(|key, _| key == ATTESTED || key == ATTESTATION);
            if let Some(attested) = descriptor.annotations.get_mut(ATTESTED)
                && let Some(digest) = attested.parse().ok().and_then(became)
            {
                *attested = digest.to_string();
            }
        }
        Some(descriptor)
    });
    Index::new(manifests.collect())
}

/// Returns the type of an index that was of `media_type`: Docker's only where all children are Docker's.
fn type_of(media_type: &MediaType, manifests: &[Descriptor]) -> MediaType {
    let all_dockers = manifests.iter().all(|child| child.media_type == MediaType::DOCKER_MANIFEST);
    match *media_type == MediaType::DOCKER_INDEX && all_dockers {
        true => MediaType::DOCKER_INDEX,
        false => MediaType::OCI_INDEX,
    }
}

/// Says which attestations were left out.
pub(crate) fn tell_dropped(session: &Session, dropped: Vec<String>) {
    if !dropped.is_empty() {
        let why = WhyDropped::NotAsked;
        session.notice(Notice::AttestationsDropped { digests: dropped, why });
    }
}
