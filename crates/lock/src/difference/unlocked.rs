//! The entries that a start unlocks.

use crate::{Metadata, TreePath};

/// Something that is unlocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlocked {
    /// Its path in the image, and in the unlock folder.
    pub path: TreePath,
    /// Its properties.
    pub metadata: Metadata,
    /// Its kind.
    pub kind: UnlockedKind,
}

/// The kind of an unlocked entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnlockedKind {
    /// A named pipe.
    Fifo,
    /// A file, out of the plain tar file of a layer.
    File {
        /// The layer's place.
        layer: usize,
        /// Where the content begins.
        offset: u64,
        /// How many bytes it has.
        len: u64,
    },
    /// A folder.
    Folder,
    /// Another name for a file that was unlocked before, under this path.
    HardLink(TreePath),
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
}
