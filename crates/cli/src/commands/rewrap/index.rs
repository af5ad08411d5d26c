//! `rewrap` of an index: all of its images change readers together, and are sealed together.

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::format::EncryptedImage;
use sealcrate_crypt::sealed::{Row, RowKind, Table};
use sealcrate_image::{
    Descriptor, Digest, Image, Index, Outgoing, Platform, Prefetch, Sink, Source,
};

use super::{OpenImage, Rewrapping};
use crate::args::Attestations;
use crate::commands::children::{put_attestation, put_image};
use crate::commands::chosen::check_agreement;
use crate::commands::opened_index::{Child, HasRecord, OpenedIndex, tell_dropped, unsealed_index};
use crate::commands::sealed_index::{self, IndexSealing, Part, described, stored_index};
use crate::report::printable;
use crate::talk;

impl Rewrapping<'_> {
    /// Rewraps every encrypted image of an index, and seals them together.
    pub(super) fn index(
        &mut self,
        source: &Arc<dyn Source>,
        index: &Index,
        sink: &dyn Sink,
    ) -> Result<Index> {
        let terms = self.terms();
        let attestations = match self.args.keep_attestations {
            true => Attestations::Keep,
            false => Attestations::Drop,
        };
        let open = |image: &Image, encrypted: &dyn EncryptedImage, child: &Descriptor| {
            let opened = self.open(image, encrypted)?;
            check_agreement(child, opened.platform().as_ref())?;
            Ok(opened)
        };
        let opened = OpenedIndex::open(source, index, &terms, attestations, open)?;
        if self.args.reencrypt {
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
        tell_dropped(&dropped);
        Ok(match &table {
            Some(table) => {
                put.retain(Option::is_some);
                stored_index(table, &put)
            }
            None => {
                talk::warn(NOT_SEALED_TOGETHER);
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
            let platform = printable(&platform.unwrap_or_else(|| "no platform".to_owned()));
            talk::note(format!("sealed together: {platform}, {}", stated.digest.short()));
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
                Child::Attestation => sealed_index::attestation(attestations),
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

const NOT_SEALED_TOGETHER: &str = "nothing binds the images of the index to each other: other tools or earlier \
                                   versions made some of them (--reencrypt seals them together)";
