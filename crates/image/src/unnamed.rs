//! Files that get their name when they are complete.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

/// A file without a name. Dropped, or when the program ends, it is gone.
///
/// Where the file system has no such files it has a temporary name, and is gone when it is dropped.
/// open(2), `O_TMPFILE`.
pub struct Unnamed(Inner);

/// How temporary names begin.
const PREFIX: &str = ".sealcrate-";

enum Inner {
    Nameless(File),
    Temporary(NamedTempFile),
}

impl Unnamed {
    /// Makes an empty file that can be named anywhere on the file system of `folder`, with the
    /// permissions `mode`, less those that the process withholds.
    ///
    /// # Errors
    /// A folder that is not there or not writable.
    pub fn create_in(folder: &Path, mode: u32) -> io::Result<Self> {
        if let Some(file) = nameless(folder, mode) {
            return Ok(Self(Inner::Nameless(file)));
        }
        tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(std::fs::Permissions::from_mode(mode))
            .tempfile_in(folder)
            .map(|file| Self(Inner::Temporary(file)))
    }

    /// Returns the file itself.
    pub fn file(&self) -> &File {
        match &self.0 {
            Inner::Nameless(file) => file,
            Inner::Temporary(file) => file.as_file(),
        }
    }

    /// Names the file `path`.
    ///
    /// # Errors
    /// Of kind `AlreadyExists` where something has that name; those of the file system.
    pub fn name(self, path: &Path) -> io::Result<()> {
        match self.0 {
            Inner::Nameless(file) => {
                let link = own_link(&file);
                Ok(rustix::fs::linkat(CWD, link, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
            }
            Inner::Temporary(file) => {
                file.persist_noclobber(path).map(|_| ()).map_err(|error| error.error)
            }
        }
    }

    /// Names the file `path`, in the place of what has that name. There is no moment at which nothing
    /// has it.
    ///
    /// # Errors
    /// Those of the file system; what was there stays then.
    pub fn replace(self, path: &Path) -> io::Result<()> {
        let temporary = match self.0 {
            // Only a rename replaces, and only what has a name can be renamed.
            Inner::Nameless(file) => {
                let link = own_link(&file);
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let named = tempfile::Builder::new()
                    .prefix(PREFIX)
                    .make_in(folder.unwrap_or_else(|| Path::new(".")), |name| {
                        Ok(rustix::fs::linkat(CWD, &link, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
                    })?;
                named.into_temp_path()
            }
            Inner::Temporary(file) => file.into_temp_path(),
        };
        temporary.persist(path).map_err(|error| error.error)
    }
}

/// Makes a file without a name, where both that and naming it later are possible.
fn nameless(folder: &Path, mode: u32) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::open(folder, flags, Mode::from_raw_mode(mode)).ok()?;
    let file = File::from(file);
    own_link(&file).symlink_metadata().is_ok().then_some(file)
}

/// Returns the path by which the system itself names an open file; there is none without `/proc`.
fn own_link(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn both(folder: &Path) -> [Unnamed; 2] {
        let temporary = tempfile::Builder::new().tempfile_in(folder).unwrap();
        [
            Unnamed(Inner::Nameless(nameless(folder, 0o600).unwrap())),
            Unnamed(Inner::Temporary(temporary)),
        ]
    }

    #[test]
    fn file_appears_whole_under_its_name_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name");
        for file in both(folder.path()) {
            file.file().write_all(b"bytes").unwrap();
            assert!(!path.exists());
            file.name(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"bytes");
            for late in both(folder.path()) {
                assert_eq!(late.name(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            }
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn file_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name");
        for content in ["one", "two"] {
            for file in both(folder.path()) {
                fs::write(&path, "old").unwrap();
                file.file().write_all(content.as_bytes()).unwrap();
                file.replace(&path).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), content);
            }
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        for file in both(folder.path()) {
            assert!(file.replace(&path).is_err());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary name is left");
    }

    #[test]
    fn dropped_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        drop(both(folder.path()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Unnamed::create_in(&folder.path().join("nowhere"), 0o600).is_err());
    }
}
