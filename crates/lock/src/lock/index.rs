//! Writes the index of a locked image: the entries to unlock, and the files to check.

use std::collections::BTreeSet;

use sealcrate_image::Config;
use sealcrate_packfile::index::{
    Attributes, Check, CheckKind, Entry, EntryKind, IndexLayer, Properties, UnlockOn, index_head,
    write_holes, write_index,
};
use zeroize::Zeroizing;

use crate::closure::Closure;
use crate::closure::resolver::Expected;
use crate::config::PrivateHalf;
use crate::lock::encrypted_layer::EncryptedLayer;
use crate::{LockError, Unlocked, UnlockedKind};

/// Writes an index.
pub(crate) fn encode(
    unlock_on: UnlockOn,
    command: &PrivateHalf,
    config: &[u8],
    layers: &[IndexLayer<'_>],
    unlocked: &[Unlocked],
    closure: &Closure,
    holes: u64,
) -> Zeroizing<Vec<u8>> {
    let mut unlocked: Vec<&Unlocked> = unlocked.iter().collect();
    // Stable: a folder stays before its own entries.
    unlocked.sort_by_key(|entry| match entry.kind {
        UnlockedKind::Folder => (0, 0, 0, 0),
        UnlockedKind::File { layer, offset, len } => (1, layer, offset, len),
        UnlockedKind::Fifo => (2, 0, 0, 0),
        UnlockedKind::Symlink(_) => (3, 0, 0, 0),
        UnlockedKind::HardLink(_) => (4, 0, 0, 0),
    });
    let attributes: Vec<Vec<u8>> = unlocked.iter().map(|entry| attributes(entry)).collect();
    let entries = unlocked.iter().zip(&attributes).map(|(unlocked, attributes)| {
        let metadata = &unlocked.metadata;
        Entry {
            path: unlocked.path.as_bytes(),
            properties: Properties {
                mode: metadata.mode,
                uid: metadata.uid,
                gid: metadata.gid,
                seconds: metadata.modified.seconds,
                nanoseconds: metadata.modified.nanoseconds,
                attributes: Attributes::parse(attributes).expect("they have just been written"),
            },
            kind: match &unlocked.kind {
                UnlockedKind::Fifo => EntryKind::Fifo,
                UnlockedKind::File { layer, offset, len } => {
                    let layer = u32::try_from(*layer).expect("an image has few layers");
                    EntryKind::File { layer, offset: *offset, len: *len }
                }
                UnlockedKind::Folder => EntryKind::Folder,
                UnlockedKind::HardLink(target) => EntryKind::HardLink(target.as_bytes()),
                UnlockedKind::Symlink(target) => EntryKind::Symlink(target),
            },
        }
    });
    let mut parts = Zeroizing::new(Vec::new());
    let layers = layers.iter().copied();
    let checks = closure.expected.iter().map(|(path, expected)| Check {
        path: path.as_bytes(),
        kind: match expected {
            Expected::File(mode, len, digest) => {
                CheckKind::File { mode: *mode, len: *len, digest: *digest }
            }
            Expected::Folder => CheckKind::Folder,
            Expected::Link(target) => CheckKind::Link(target),
            Expected::Nothing => CheckKind::Nothing,
        },
    });
    let command = command.command();
    write_index(unlock_on, &command, config, layers, entries, checks, &mut *parts);
    write_holes(holes, &mut *parts);
    let mut index = Zeroizing::new(Vec::with_capacity(parts.len() + 16));
    index.extend(index_head(parts.len() as u64));
    index.extend(parts.iter());
    index
}

fn attributes(unlocked: &Unlocked) -> Vec<u8> {
    let mut bytes = Vec::new();
    let attributes = unlocked.metadata.xattrs.iter();
    let attributes = attributes.map(|(name, value)| (name.as_slice(), value.as_slice()));
    Attributes::write(attributes, &mut bytes);
    bytes
}

/// Returns the layers of an image as the index has them.
///
/// # Errors
/// There is another number of private layers than of encrypted ones.
pub(super) fn index_layers<'s>(
    config: &Config,
    private: &BTreeSet<usize>,
    encrypted: &'s [EncryptedLayer],
) -> Result<Vec<IndexLayer<'s>>, LockError> {
    let mut encrypted = encrypted.iter();
    let diff_ids = config.diff_ids().iter().enumerate();
    diff_ids
        .map(|(place, diff_id)| {
            let diff_id = *diff_id.0.as_bytes();
            if !private.contains(&place) {
                return Ok(IndexLayer::Clear { diff_id });
            }
            let encrypted = encrypted.next().ok_or(LockError::LayerCount)?;
            Ok(encrypted.in_index(diff_id))
        })
        .collect()
}
