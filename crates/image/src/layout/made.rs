//! Undoing: what was made on the way to something that then failed is removed again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::LayoutError;
use crate::Unnamed;

/// Files and folders that were made. Dropped before they are [kept](Self::keep), they are removed.
#[derive(Default)]
pub(super) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes `folder` and those that it lies in, where they are not there.
    pub(super) fn folders(&mut self, folder: &Path) -> Result<(), LayoutError> {
        let mut missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
            .collect();
        while let Some(next) = missing.pop() {
            match fs::create_dir(next) {
                Ok(()) => self.0.push(next.to_owned()),
                // Somebody else was faster, and may use it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && next.is_dir() => {}
                Err(source) => return Err(LayoutError::Io { path: next.to_owned(), source }),
            }
        }
        Ok(())
    }

    /// Gives `file` the name `path`; a file that is there already stays.
    pub(super) fn file(&mut self, file: Unnamed, path: &Path) -> Result<(), LayoutError> {
        match file.name(path) {
            Ok(()) => self.0.push(path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(LayoutError::Io { path: path.to_owned(), source }),
        }
        Ok(())
    }

    /// Lets everything stay.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // Nobody could do anything about it; and a folder that somebody else uses now stays.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn make(folder: &Path) -> Made {
        let mut made = Made::default();
        made.folders(&folder.join("a/b")).unwrap();
        let file = Unnamed::create_in(folder, 0o600).unwrap();
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
    fn what_is_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path()).keep();
        assert_eq!(fs::read(folder.path().join("a/b/file")).unwrap(), b"new");
    }
}
