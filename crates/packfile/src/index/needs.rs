//! The needs of an image in its unlock folder. The init checks them before it unlocks, and locking
//! computes them for the user.

use crate::index::{EntryKind, Index};

/// The size of a page in bytes. Files take whole pages of memory.
pub const PAGE: u64 = 4096;

/// The shortest target of a symbolic link, in bytes, for which a tmpfs takes a page. Linux,
/// `mm/shmem.c`, `SHORT_SYMLINK_LEN`, which counts a zero at the end.
const LONG_LINK: usize = 128;

/// The kernel's own record of a file, in bytes: the inode and the name.
const KEPT: u64 = 1024;

/// The number of bytes of a file for which the kernel keeps one byte of records. It finds the pages by
/// them, and takes 576 bytes for 64 pages.
const KEPT_OF_PAGES: u64 = 64 * PAGE / 576;

/// The needs of an image in its unlock folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Room, in bytes.
    pub bytes: u64,
    /// The number of files, folders, links and pipes that have to be made.
    pub files: u64,
    /// Whether programs or libraries have to be executed.
    pub has_programs: bool,
}

impl Needs {
    /// Adds up the needs of an index's entries, and of the files that the init writes beside them.
    pub fn of(index: &Index<'_>) -> Self {
        let command = (index.encoded_command.len() as u64).next_multiple_of(PAGE);
        let mut needs = Self { bytes: PAGE + command, files: 2, has_programs: false };
        for entry in index.entries() {
            needs.files += 1;
            let bytes = match entry.kind {
                EntryKind::File { len, .. } => {
                    let is_library = entry.path.windows(3).any(|part| part == b".so");
                    needs.has_programs |= is_library || entry.properties.mode & 0o111 != 0;
                    len.div_ceil(PAGE).saturating_mul(PAGE)
                }
                EntryKind::Symlink(target) if target.len() >= LONG_LINK => PAGE,
                _ => 0,
            };
            needs.bytes = needs.bytes.saturating_add(bytes);
        }
        needs.bytes = needs.bytes.saturating_sub(index.holes);
        needs
    }

    /// Returns the memory that the unlocked files take, in bytes: the room, and the kernel's records of files
    /// and pages.
    pub fn memory(&self) -> u64 {
        let kept = self.files.saturating_mul(KEPT).saturating_add(self.bytes / KEPT_OF_PAGES);
        self.bytes.saturating_add(kept)
    }

    /// Returns the room in MiB.
    pub fn mib(&self) -> u64 {
        self.bytes.div_ceil(1 << 20)
    }

    /// Returns the size in MiB that a file system for this folder alone should have. It leaves some
    /// room for files that are written later.
    pub fn advised_mib(&self) -> u64 {
        self.mib() + 1
    }
}
