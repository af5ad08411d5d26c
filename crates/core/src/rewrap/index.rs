//! `rewrap` of an index: all of its images change readers together, and are sealed together.

use std::sync::Arc;

use sealcrate_crypt::format::EncryptedImage;
use sealcrate_crypt::sealed::{Row, RowKind, Table};
use sealcrate_image::{
    Descriptor, Digest, Image, Index, Outgoing, Platform, Prefetch, Sink, Source,
};

use super::{DataKeys, OpenImage, Rewrapping};
use crate::Result;
use crate::index::Attestations;
use crate::index::children::{put_attestation, put_image};
use crate::index::chosen::check_agreement;
use crate::index::opened::{Child, HasRecord, OpenedIndex, tell_dropped, unsealed_index};
use crate::index::sealed::{self, IndexSealing, Part, described, stored_index};
use crate::listener::Notice;

impl Rewrapping<'_> {
    /// Rewraps every encrypted image of an index, and seals them together.
    pub(super) fn index(
        &mut self,
        source: &Arc<dyn Source>,
        index: &Index,
        sink: &dyn Sink,
    ) -> Result<Index> {
        let terms = self.terms();
        let (session, attestations) = (self.session, self.options.attestations);
        let open = |image: &Image, encrypted: &dyn EncryptedImage, child: &Descriptor| {
            let opened = self.open(image, encrypted)?;
            check_agreement(child, opened.platform().as_ref())?;
            Ok(opened)
        };
        let opened = OpenedIndex::open(session, source, index, &terms, attestations, open)?;
        if self.options.data_keys == DataKeys::Renew {
            return self.index_anew(source, opened, sink, attestations);
        }
        let table = self.new_table(&opened, attestations)?;
        let (mut put, mut dropped) = (Vec::new(), Vec::new());
        let opened_index = opened.index;
        for (child, stated) in opened.children.into_iter().zip(&opened_index.manifests) {
            put.push(match child {
                Child::Attestation if attestations == Attestations::Drop => {
                    dropped.push(stated.digest.short());
                    None
                }
                Child::Attestation => Some(put_attestation(self.session, source, stated, sink)?),
                Child::Clear(image) => {
                    let image = Outgoing::built(*image);
                    let image = self.session.put_plain(&image, Prefetch::default(), sink)?;
                    Some(described(&put_image(image, sink)?, stated))
                }
                Child::Opened(keys) => {
                    let image = self.finish(keys, table.as_ref(), sink)?;
                    Some(described(&put_image(image, sink)?, stated))
                }
            });
        }
        tell_dropped(self.session, dropped);
        Ok(match &table {
            Some(table) => {
                put.retain(Option::is_some);
                stored_index(table, &put)
            }
            None => {
                self.session.notice(Notice::NotSealedTogether);
                unsealed_index(&opened_index, put)
            }
        })
    }

    /// Returns the table that all images will seal. It is the one that they seal now. If each was pushed by
    /// itself, it is a new one of the index's own statements, which the user sees.
    fn new_table(
        &self,
        opened: &OpenedIndex<OpenImage>,
        attestations: Attestations,
    ) -> Result<Option<Table>> {
        let is_left_out = |digest: Digest| {
            let child = opened.index.manifests.iter().find(|child| child.digest == digest);
            attestations == Attestations::Drop && child.is_some_and(Index::is_attestation)
        };
        let stays = |row: &Row| match row.kind {
            RowKind::Manifest(digest) => !is_left_out(digest),
            RowKind::Image(_) => true,
        };
        if let Some(table) = &opened.table {
            return Ok(Some(table.again(stays)?));
        }
        let mut rows = Vec::new();
        let (media_type, remarks, described) = opened.described();
        for (child, stated) in opened.children.iter().zip(&described.manifests) {
            let kind = match child {
                Child::Attestation | Child::Clear(_) => RowKind::Manifest(stated.digest),
                Child::Opened(keys) if keys.record().is_none() => return Ok(None),
                Child::Opened(OpenImage::Keys(of)) => {
                    RowKind::Image(of.identity(stated.platform.as_ref()))
                }
                Child::Opened(OpenImage::Layers(_)) => return Ok(None),
            };
            let platform = stated.platform.as_ref().map(Platform::to_string);
            let digest = stated.digest.short();
            self.session.notice(Notice::SealedTogether { platform, digest });
            let place =
                |digest| described.manifests.iter().position(|child| child.digest == digest);
            rows.push(Row::new(kind, stated, place));
        }
        Ok(Some(Table::draw(media_type, remarks, rows)?.again(stays)?))
    }

    /// Encrypts every image of an index anew.
    fn index_anew(
        &self,
        source: &Arc<dyn Source>,
        opened: OpenedIndex<OpenImage>,
        sink: &dyn Sink,
        attestations: Attestations,
    ) -> Result<Index> {
        let home = self.place.clone();
        let sealing = IndexSealing { session: self.session, source, sink, home };
        let (media_type, remarks, index) = opened.described();
        let mut children = opened.children.into_iter();
        let part = |_, _: &Descriptor| {
            Ok(match children.next().expect("there are as many as before") {
                Child::Attestation => sealed::attestation(attestations),
                Child::Clear(image) => Part::Clear(image),
                Child::Opened(OpenImage::Layers(of)) => {
                    Part::Unsealed(Box::new(self.put(*of, sink)?))
                }
                Child::Opened(_) => unreachable!("--reencrypt opens layers"),
            })
        };
        let sealed = sealing.put(&index, media_type, remarks, part)?;
        self.tell_new_readers()?;
        Ok(sealed.index)
    }
}
