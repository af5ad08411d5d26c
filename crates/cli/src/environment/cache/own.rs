//! Folders and files of the user's own. Files of other users are not used, since their owners could
//! have put known keys there.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;
use zeroize::Zeroizing;

/// A folder of the user's own, which need not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OwnFolder(pub(super) PathBuf);

impl OwnFolder {
    /// Makes the folder for the user alone, and the folders above it that are missing.
    pub(super) fn make(&self) -> Result<()> {
        let Self(folder) = self;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        self.check()
    }

    /// Checks that the folder is the user's, if it exists.
    pub(super) fn check(&self) -> Result<()> {
        let Self(folder) = self;
        match found(fs::metadata(folder)).with_context(|| cannot_read(folder))? {
            Some(found) => check_owner(folder, &found),
            None => Ok(()),
        }
    }

    /// Returns where a file in it lies.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads a file that is the user's, if it exists: at most `most` bytes and one more.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Option<OwnFile>> {
        self.check()?;
        let path = self.path(name);
        let Some(file) = found(File::open(&path)).with_context(|| cannot_read(&path))? else {
            return Ok(None);
        };
        let metadata = file.metadata().with_context(|| cannot_read(&path))?;
        check_owner(&path, &metadata)?;
        // A buffer that grows would leave bytes of a key in its old place.
        let len = usize::try_from(metadata.len().min(most) + 1).unwrap_or(0);
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        file.take(most + 1).read_to_end(&mut bytes).with_context(|| cannot_read(&path))?;
        Ok(Some(OwnFile { path, mode: metadata.mode() & 0o777, bytes }))
    }

    /// Removes files and then the folder, and tells whether there was one of them.
    pub(super) fn remove(&self, names: &[&str]) -> Result<bool> {
        let mut is_found = false;
        for path in names.iter().map(|name| self.path(name)) {
            match fs::remove_file(&path) {
                Ok(()) => is_found = true,
                Err(error) if is_nowhere(&error) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
            }
        }
        match fs::remove_dir(&self.0) {
            // Other files in there are not ours.
            Err(error) if !is_nowhere(&error) && error.kind() != ErrorKind::DirectoryNotEmpty => {
                Err(error).with_context(|| format!("cannot remove {}", self.0.display()))
            }
            _ => Ok(is_found),
        }
    }
}

/// A file of the user's own.
pub(super) struct OwnFile {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

fn check_owner(path: &Path, found: &Metadata) -> Result<()> {
    if found.uid() != geteuid().as_raw() {
        bail!("{} belongs to another user", path.display());
    }
    Ok(())
}

fn found<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Ok(it) => Ok(Some(it)),
        Err(error) if is_nowhere(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_nowhere(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}
