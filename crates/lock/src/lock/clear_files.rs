//! Clear files that a start unlocks beside private ones, since it unlocks their folder whole.
//!
//! Their contents lie in clear layers, which the init does not read. So they get a payload of their
//! own, behind the payloads of the private layers. It is one content behind the other.

use std::collections::BTreeSet;
use std::io;

use sealcrate_image::{Content as _, Image, Spool};
use sealcrate_packfile::index::IndexLayer;

use crate::lock::encrypted_layer::EncryptedLayer;
use crate::tree::contents::Contents;
use crate::{Inode, InodeKind, Metadata, Unlocked, UnlockedKind};

/// The payload of clear files.
pub(crate) struct ClearFiles {
    pub(crate) encrypted: EncryptedLayer,
    /// The SHA-256 of the contents.
    digest: [u8; 32],
}

impl ClearFiles {
    /// Makes the payload of all entries whose contents lie in clear layers, and points these entries to it.
    /// Returns nothing if there are no such entries.
    ///
    /// # Errors
    /// The image cannot be read; the spool cannot be written.
    pub(crate) fn of(
        image: &Image,
        private: &BTreeSet<usize>,
        unlocked: &mut [Unlocked],
        spool: &Spool,
    ) -> io::Result<Option<Self>> {
        let mut files: Vec<_> = unlocked
            .iter_mut()
            .filter_map(|entry| match &mut entry.kind {
                UnlockedKind::File { layer, offset, len } if !private.contains(layer) => {
                    Some((layer, offset, *len))
                }
                _ => None,
            })
            .collect();
        if files.is_empty() {
            return Ok(None);
        }
        files.sort_by_key(|(layer, offset, len)| (**layer, **offset, *len));
        let mut contents = Contents::of(image);
        let spooled = spool.fill::<io::Error>(|out| {
            let mut end = 0;
            for (layer, offset, len) in &mut files {
                let inode = Inode {
                    id: (**layer, 0),
                    metadata: Metadata::default(),
                    kind: InodeKind::File { offset: **offset, len: *len },
                };
                io::copy(&mut contents.open(&inode)?, out)?;
                (**layer, **offset) = (image.layers.len(), end);
                end += *len;
            }
            Ok(())
        })?;
        let encrypted = EncryptedLayer::of(&mut *spooled.content.open()?, spool)?;
        Ok(Some(Self { encrypted, digest: *spooled.digest.as_bytes() }))
    }

    /// Returns the payload as the index has it, among the layers.
    pub(crate) fn in_index(&self) -> IndexLayer<'_> {
        self.encrypted.in_index(self.digest)
    }
}
