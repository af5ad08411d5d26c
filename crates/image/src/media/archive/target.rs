//! The file that an archive is written to: nameless until it is complete.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::ArchiveError;
use crate::transfer::files::room::{InRoom, Room};
use crate::{Leftovers, TemporaryFile};

/// An archive may hold an image in clear that was private: it is for its owner alone, as with
/// `docker save`.
const MODE: u32 = 0o600;

/// Writes to the file while there is room.
pub(super) type TargetWriter = BufWriter<InRoom<File, Room>>;

/// A file that is being written. Dropped, it leaves nothing behind.
pub(super) struct Target {
    path: PathBuf,
    file: TemporaryFile,
}

impl Target {
    /// Makes a file that will be named `path`, and a writer into it. A temporary name is on the list
    /// `leftovers`.
    ///
    /// # Errors
    /// Something has the name already; the folder is not there or not writable.
    pub(super) fn create(
        path: &Path,
        leftovers: &Leftovers,
    ) -> Result<(Self, TargetWriter), ArchiveError> {
        if path.symlink_metadata().is_ok() {
            return Err(ArchiveError::Exists(path.to_owned()));
        }
        let failed = |source| ArchiveError::Target { path: path.to_owned(), source };
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return Err(failed(io::ErrorKind::InvalidFilename.into())),
        };
        let file = TemporaryFile::create_in(folder, MODE, leftovers).map_err(failed)?;
        let writer =
            InRoom { file: file.file().try_clone().map_err(failed)?, room: Room::of(folder) };
        let writer = BufWriter::with_capacity(256 << 10, writer);
        Ok((Self { path: path.to_owned(), file }, writer))
    }

    /// Names the file, whose writer has been flushed.
    ///
    /// # Errors
    /// Something has got the name meanwhile; errors of the file system.
    pub(super) fn name(self) -> Result<(), ArchiveError> {
        let Self { path, file } = self;
        file.name(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ArchiveError::Exists(path),
            _ => ArchiveError::Target { path, source: error },
        })
    }
}
