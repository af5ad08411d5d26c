//! Undoing: files and folders that were made for an operation that then failed are removed again.

use std::fs;
use std::io;
use std::path::Path;

use super::LayoutError;
use crate::transfer::files::leftovers::Leftover;
use crate::{Leftovers, TemporaryFile};

/// Files and folders that were made. They are removed when this is dropped, or when the program
/// ends, unless [they](Self::into_leftovers) are kept.
pub(super) struct Made {
    list: Leftovers,
    made: Vec<Leftover>,
}

impl Made {
    /// Begins with nothing. Everything is on `list` until it is kept.
    pub(super) fn new(list: &Leftovers) -> Self {
        Self { list: list.clone(), made: Vec::new() }
    }

    /// Makes `folder` and the folders above it, where they are missing.
    pub(super) fn folders(&mut self, folder: &Path) -> Result<(), LayoutError> {
        let mut missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
            .collect();
        while let Some(next) = missing.pop() {
            match self.list.add(next, || fs::create_dir(next)) {
                Ok(((), made)) => self.made.push(made),
                // Another program was faster, and may use it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && next.is_dir() => {}
                Err(source) => return Err(LayoutError::Io { path: next.to_owned(), source }),
            }
        }
        Ok(())
    }

    /// Gives `file` the name `path`. Tells whether it has it: a file that is there already stays.
    pub(super) fn file(&mut self, file: TemporaryFile, path: &Path) -> Result<bool, LayoutError> {
        match file.name_for_now(path) {
            Ok(made) => self.made.push(made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(source) => return Err(LayoutError::Io { path: path.to_owned(), source }),
        }
        Ok(true)
    }

    /// Returns all, to be kept.
    pub(super) fn into_leftovers(mut self) -> Vec<Leftover> {
        std::mem::take(&mut self.made)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A folder goes after the files in it.
        while self.made.pop().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn make(folder: &Path) -> Made {
        let leftovers = Leftovers::default();
        let mut made = Made::new(&leftovers);
        made.folders(&folder.join("a/b")).unwrap();
        let file = TemporaryFile::create_in(folder, 0o600, &leftovers).unwrap();
        file.file().write_all(b"new").unwrap();
        made.file(file, &folder.join("a/b/file")).unwrap();
        made
    }

    #[test]
    fn what_was_made_goes_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        drop(make(folder.path()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), "old").unwrap();
        drop(make(folder.path()));
        assert_eq!(fs::read(folder.path().join("a/b/file")).unwrap(), b"old");
    }

    #[test]
    fn end_without_drops_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let made = make(folder.path());
        drop(made.list.clear());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let made = make(folder.path());
        let list = made.list.clone();
        list.keep(made.into_leftovers(), || io::Result::Ok(())).unwrap();
        assert_eq!(fs::read(folder.path().join("a/b/file")).unwrap(), b"new");
    }
}
