//! What the folder needs that an image is unlocked in: for who starts it, and for who tells how.

use crate::index::{EntryKind, Index};

/// What a file takes at least in memory, in bytes.
pub const PAGE: u64 = 4096;

/// From this length on, in bytes, a tmpfs gives a symbolic link a page. Linux, `mm/shmem.c`,
/// `SHORT_SYMLINK_LEN`, which counts a zero at the end.
const LONG_LINK: usize = 128;

/// The kernel's own record of a file, in bytes: the inode and the name.
const KEPT: u64 = 1024;

/// How many bytes of a file the kernel keeps one byte about, to find its pages: 576 bytes for 64 pages.
const KEPT_OF_PAGES: u64 = 64 * PAGE / 576;

/// What an image needs of the folder that it is unlocked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Room, in bytes.
    pub bytes: u64,
    /// How many files can be made.
    pub files: u64,
    /// Whether programs or libraries have to be executed.
    pub has_programs: bool,
}

impl Needs {
    /// Adds up what an index tells of, and what is written beside it.
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

    /// Returns how much memory it takes, in bytes: the room, and the kernel's records of files and pages.
    pub fn memory(&self) -> u64 {
        let kept = self.files.saturating_mul(KEPT).saturating_add(self.bytes / KEPT_OF_PAGES);
        self.bytes.saturating_add(kept)
    }

    /// Returns the room in MiB.
    pub fn mib(&self) -> u64 {
        self.bytes.div_ceil(1 << 20)
    }

    /// Returns how large a file system of its own should be, in MiB: some is left for what is
    /// written later.
    pub fn advised_mib(&self) -> u64 {
        self.mib() + 1
    }
}
