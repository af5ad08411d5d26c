//! The file that an operation writes: it gets its name when it is whole.

use std::io;
use std::path::Path;

use sealcrate_image::TemporaryFile;

use super::FileSession;
use super::error::DestinationError;

/// Whether an existing file stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// The new file replaces it.
    Replace,
}

/// A file that an operation writes.
pub struct Destination<'a> {
    path: &'a Path,
    existing: Existing,
}

impl<'a> Destination<'a> {
    /// Checks that a file can be named `path`. It is better to fail now than after all the work.
    ///
    /// # Errors
    /// A file is there that stays; something is there that is no file; the folder cannot be read.
    pub fn new(path: &'a Path, existing: Existing) -> Result<Self, DestinationError> {
        match (path.symlink_metadata(), existing) {
            (Ok(_), Existing::Keep) => return Err(DestinationError::Exists(path.to_owned())),
            (Ok(there), Existing::Replace) => {
                if !there.is_file() && !there.is_symlink() {
                    return Err(DestinationError::NotAFile(path.to_owned()));
                }
            }
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {}
            (Err(error), _) => return Err(cannot_write(path)(error)),
        }
        Ok(Self { path, existing })
    }

    /// Makes the file, without a name, with the permissions `mode`, less those that the process
    /// withholds. If it has a temporary name, that is on the list of `session`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(
        &self,
        mode: u32,
        session: &FileSession,
    ) -> Result<TemporaryFile, DestinationError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        TemporaryFile::create_in(folder, mode, &session.leftovers).map_err(cannot_write(self.path))
    }

    /// Gives `file`, which is whole, exactly the permissions `mode`, and its name.
    ///
    /// # Errors
    /// The permissions cannot be set; errors of [`name`](Self::name).
    pub fn name_with_mode(
        &self,
        mut file: TemporaryFile,
        mode: u32,
        session: &FileSession,
    ) -> Result<(), DestinationError> {
        file.set_mode(mode).map_err(cannot_write(self.path))?;
        self.name(file, session)
    }

    /// Gives `file`, which is whole, its name.
    ///
    /// # Errors
    /// A file got that name meanwhile, and stays; the disk does not take the file.
    pub fn name(&self, file: TemporaryFile, session: &FileSession) -> Result<(), DestinationError> {
        let named = file.file().sync_all().and_then(|()| {
            let _names = session.names();
            match self.existing {
                Existing::Keep => file.name(self.path),
                Existing::Replace => file.replace(self.path),
            }
        });
        named.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => DestinationError::Exists(self.path.to_owned()),
            _ => cannot_write(self.path)(error),
        })
    }
}

/// Returns a function that says which file an error keeps from being written.
fn cannot_write(path: &Path) -> impl Fn(io::Error) -> DestinationError {
    move |source| DestinationError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(path: &Path, existing: Existing) -> Result<(), DestinationError> {
        let destination = Destination::new(path, existing)?;
        let session = FileSession::new();
        let file = destination.create(0o600, &session)?;
        file.file().write_all(b"new").unwrap();
        destination.name_with_mode(file, 0o751, &session)
    }

    #[test]
    fn files_that_are_there_are_replaced_only_if_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        written(&path, Existing::Keep).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o751);
        fs::write(&path, "old").unwrap();
        let refused = written(&path, Existing::Keep).unwrap_err();
        assert!(matches!(refused, DestinationError::Exists(_)), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        written(&path, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // Another process was faster.
        let destination = Destination { path: &path, existing: Existing::Keep };
        let session = FileSession::new();
        let late = destination.create(0o600, &session).unwrap();
        let late = destination.name(late, &session);
        assert!(matches!(late.unwrap_err(), DestinationError::Exists(_)));
    }

    #[test]
    fn what_is_no_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), Path::new("/dev/null")] {
            let refused = written(path, Existing::Replace).unwrap_err();
            assert!(refused.to_string().ends_with("is not a regular file"), "{refused}");
        }
        let nowhere = written(&folder.path().join("no/where"), Existing::Keep).unwrap_err();
        assert!(nowhere.to_string().starts_with("cannot write"), "{nowhere}");
    }
}
