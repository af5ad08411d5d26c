//! Files that say which registries have no TLS.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// Why nobody can tell which registries have no TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum InsecureError {
    /// The file is not in the form of its kind.
    #[error("{} is malformed in line {line}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The first line that is wrong.
        line: usize,
    },
    /// The file or folder cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// The file or folder.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too long.
    #[error("{} is longer than 1 MiB", .0.display())]
    TooLong(PathBuf),
}

impl InsecureError {
    pub(super) fn malformed(file: &Path, line: usize) -> Self {
        Self::Malformed { file: file.to_owned(), line }
    }
}

/// Reads `file`, unless it is missing or not for this user.
pub(super) fn read(file: &Path) -> Result<Option<Vec<u8>>, InsecureError> {
    let failed = |source| InsecureError::Read { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    match File::open(file) {
        Err(error) if is_absence(&error) => return Ok(None),
        opened => {
            opened.map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?
        }
    };
    if bytes.len() as u64 > MAX_FILE {
        return Err(InsecureError::TooLong(file.to_owned()));
    }
    Ok(Some(bytes))
}

/// Tells whether a file is missing, or not for this user.
pub(super) fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotADirectory | NotFound | PermissionDenied)
}
