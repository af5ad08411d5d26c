//! Room: how much of a disk bytes may take whose number others decide.
//!
//! A part of each file system stays free for everybody else on the machine. A write that is known not to
//! fit does not even begin.

use std::borrow::Borrow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// How many bytes are written before the file system is asked again.
const STEP: u64 = 1 << 20;

/// The most that stays free; of a small file system it is a twentieth.
const MAX_RESERVE: u64 = 1 << 30;

/// The room on the file system of a folder. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    folder: PathBuf,
    /// How much has been written since the file system was asked.
    unasked: Arc<AtomicU64>,
    space: fn(&Path) -> Option<Space>,
}

/// How much of a file system is free, and how much there is of it.
#[derive(Clone, Copy, Debug)]
struct Space {
    free: u64,
    whole: u64,
}

impl Room {
    /// Watches the file system of `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), unasked: Arc::new(AtomicU64::new(STEP)), space }
    }

    /// Tells whether `bytes` bytes fit, as far as that can be known in advance.
    ///
    /// # Errors
    /// They do not.
    pub(crate) fn has(&self, bytes: u64) -> io::Result<()> {
        let Some(Space { free, whole }) = (self.space)(&self.folder) else { return Ok(()) };
        let reserve = MAX_RESERVE.min(whole / 20);
        if free.checked_sub(reserve).is_some_and(|room| bytes <= room) {
            return Ok(());
        }
        let folder = self.folder.clone();
        Err(io::Error::new(io::ErrorKind::StorageFull, NoRoom { folder, free, reserve }))
    }

    /// Takes `bytes` bytes, which have been written or are about to be.
    ///
    /// # Errors
    /// Less is left than must stay free.
    pub(crate) fn take(&self, bytes: u64) -> io::Result<()> {
        if self.unasked.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) < STEP {
            return Ok(());
        }
        self.unasked.store(0, Ordering::Relaxed);
        self.has(bytes)
    }
}

/// A file that is written to while there is room.
pub(crate) struct InRoom<F, R> {
    /// The file.
    pub(crate) file: F,
    /// The room on its file system.
    pub(crate) room: R,
}

impl<F: Write, R: Borrow<Room>> Write for InRoom<F, R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.borrow().take(bytes.len() as u64)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Asks the file system. Returns nothing for one that does not count, as some in memory.
fn space(folder: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    let whole = bytes(found.f_blocks);
    (whole > 0).then(|| Space { free: bytes(found.f_bavail), whole })
}

/// Tells that a file system has no room for the bytes.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "there is not enough room in {}: {} MiB are free, of which {} MiB stay free", folder.display(),
    free >> 20, reserve >> 20
)]
pub struct NoRoom {
    folder: PathBuf,
    free: u64,
    reserve: u64,
}

impl Classified for NoRoom {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Room on a disk of 100 MB whose space `space` tells.
    fn room(space: fn(&Path) -> Option<Space>) -> Room {
        Room { space, ..Room::of(Path::new("/tmp")) }
    }

    /// Room on a full disk, with nothing free beyond the reserve.
    pub(crate) fn none() -> Room {
        room(|_| Some(Space { free: 5_000_000, whole: 100_000_000 }))
    }

    #[test]
    fn what_fits_less_the_reserve_is_let_in() {
        let room = room(|_| Some(Space { free: 15_000_000, whole: 100_000_000 }));
        assert!(room.has(10_000_000).is_ok());
        let error = room.has(10_000_001).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let text = "there is not enough room in /tmp: 14 MiB are free, of which 4 MiB stay free";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn reserve_of_a_large_disk_is_a_gigabyte() {
        let room = room(|_| Some(Space { free: 3 << 30, whole: 1 << 50 }));
        assert!(room.has(2 << 30).is_ok());
        assert!(room.has((2 << 30) + 1).is_err());
    }

    #[test]
    fn first_byte_asks_and_then_every_megabyte() {
        let none = none();
        assert!(none.take(1).is_err());
        assert!(none.take(STEP - 2).is_ok());
        assert!(none.take(1).is_ok());
        assert!(none.take(1).is_err());
    }

    #[test]
    fn file_system_that_does_not_count_has_room() {
        assert!(room(|_| None).has(u64::MAX).is_ok());
        assert!(Room::of(Path::new("/nowhere")).has(u64::MAX).is_ok());
        let here = Room::of(&std::env::temp_dir());
        assert!(here.has(1).is_ok() && here.has(u64::MAX).is_err());
    }
}
