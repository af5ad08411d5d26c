//! Files that get their name when they are complete.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::Leftovers;
use crate::transfer::files::leftovers::Leftover;

/// A file without a name. It is gone when it is dropped, or when the program ends.
///
/// On a file system without such files it has a temporary name, which is on the list of
/// [`Leftovers`]. Its owner alone can read it before it gets its own name. open(2), `O_TMPFILE`.
pub struct TemporaryFile {
    inner: Inner,
    leftovers: Leftovers,
}

/// How temporary names begin.
const PREFIX: &str = ".sealcrate-";

/// The permissions of a file with a temporary name.
const PRIVATE: u32 = 0o600;

enum Inner {
    Nameless(File),
    /// A file, its temporary name, and the permissions that it gets with its own name.
    Temporary(File, Leftover, u32),
}

impl TemporaryFile {
    /// Makes an empty file that can get a name anywhere on the file system of `folder`. It gets the
    /// permissions `mode`, less those that the process withholds. A temporary name is put on the list
    /// `leftovers`.
    ///
    /// # Errors
    /// The folder is not there or not writable.
    pub fn create_in(folder: &Path, mode: u32, leftovers: &Leftovers) -> io::Result<Self> {
        let inner = match nameless(folder, mode) {
            Some(file) => Inner::Nameless(file),
            None => named_for_now(folder, mode, leftovers)?,
        };
        Ok(Self { inner, leftovers: leftovers.clone() })
    }

    /// Returns the file itself.
    pub fn file(&self) -> &File {
        match &self.inner {
            Inner::Nameless(file) | Inner::Temporary(file, ..) => file,
        }
    }

    /// Returns the file itself, which never gets a name.
    pub(crate) fn into_file(self) -> File {
        match self.inner {
            Inner::Nameless(file) | Inner::Temporary(file, ..) => file,
        }
    }

    /// Gives the file exactly the permissions `mode`, whatever the process withholds.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        match &mut self.inner {
            Inner::Nameless(file) => file.set_permissions(Permissions::from_mode(mode)),
            Inner::Temporary(_, _, later) => {
                *later = mode;
                Ok(())
            }
        }
    }

    /// Names the file `path`.
    ///
    /// # Errors
    /// Kind `AlreadyExists` where something has that name; errors of the file system.
    pub fn name(self, path: &Path) -> io::Result<()> {
        let Self { inner, leftovers } = self;
        match inner {
            Inner::Nameless(file) => leftovers.keep(Vec::new(), || link(&file, path)),
            Inner::Temporary(file, name, mode) => {
                give_mode(&file, mode)?;
                let from = name.path().to_owned();
                leftovers.keep(vec![name], || rename_to_free(&from, path))
            }
        }
    }

    /// Names the file `path`, and puts that name on the list: it is removed unless it is kept.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub(crate) fn name_for_now(self, path: &Path) -> io::Result<Leftover> {
        let Self { inner, leftovers } = self;
        match inner {
            Inner::Nameless(file) => Ok(leftovers.add(path, || link(&file, path))?.1),
            Inner::Temporary(file, name, mode) => {
                give_mode(&file, mode)?;
                name.renamed(path, |from| rename_to_free(from, path))
            }
        }
    }

    /// Names the file `path`, in the place of a file that has that name. At no moment is the name
    /// without a file.
    ///
    /// # Errors
    /// Errors of the file system; the old file stays then.
    pub fn replace(self, path: &Path) -> io::Result<()> {
        self.replace_and_keep(path, Vec::new())
    }

    /// As [`replace`](Self::replace), and keeps all of `kept` in the same step.
    ///
    /// # Errors
    /// As [`replace`](Self::replace); then all of `kept` is removed.
    pub(crate) fn replace_and_keep(self, path: &Path, mut kept: Vec<Leftover>) -> io::Result<()> {
        let Self { inner, leftovers } = self;
        let name = match inner {
            // Only a rename replaces, and only a file with a name can be renamed.
            Inner::Nameless(file) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or_else(|| Path::new("."));
                temporary(folder, &leftovers, |name| link(&file, name))?.1
            }
            Inner::Temporary(file, name, mode) => {
                give_mode(&file, mode)?;
                name
            }
        };
        let from = name.path().to_owned();
        kept.push(name);
        leftovers.keep(kept, || std::fs::rename(from, path))
    }
}

/// Makes a file with a temporary name, for its owner alone.
fn named_for_now(folder: &Path, mode: u32, leftovers: &Leftovers) -> io::Result<Inner> {
    let create = |mode| {
        move |name: &Path| {
            OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(name)
        }
    };
    // An empty file tells the permissions that the process withholds.
    let later = match mode & !PRIVATE {
        0 => mode,
        _ => {
            let (empty, _name) = temporary(folder, leftovers, create(mode))?;
            empty.metadata()?.permissions().mode() & 0o7777
        }
    };
    let (file, name) = temporary(folder, leftovers, create(mode & PRIVATE))?;
    Ok(Inner::Temporary(file, name, later))
}

/// Runs `make` with a name in `folder` that nothing has, and puts it on the list.
fn temporary<T>(
    folder: &Path,
    leftovers: &Leftovers,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(T, Leftover)> {
    let made = tempfile::Builder::new()
        .prefix(PREFIX)
        .make_in(folder, |name| leftovers.add(name, || make(name)))?;
    Ok(made.keep().map_err(|error| error.error)?.0)
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, own_link(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Gives a file its permissions, on file systems that have them.
fn give_mode(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & 0o7777 == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// Renames a file to a name that nothing has.
fn rename_to_free(from: &Path, path: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, path, RenameFlags::NOREPLACE) {
        // The kernel is too old, or the file system cannot do it.
        Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {
            std::fs::hard_link(from, path)?;
            std::fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Makes a file without a name, if the system can both make it and name it later.
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
    use std::io::{Seek, Write};

    use super::*;

    fn both(folder: &Path) -> [TemporaryFile; 2] {
        both_with(folder, 0o600, &Leftovers::default())
    }

    fn both_with(folder: &Path, mode: u32, leftovers: &Leftovers) -> [TemporaryFile; 2] {
        [
            Inner::Nameless(nameless(folder, mode).unwrap()),
            named_for_now(folder, mode, leftovers).unwrap(),
        ]
        .map(|inner| TemporaryFile { inner, leftovers: leftovers.clone() })
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
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
    fn file_that_never_gets_a_name_keeps_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let files = both(folder.path()).map(TemporaryFile::into_file);
        assert_eq!(names_in(folder.path()).len(), 0);
        for mut file in files {
            file.write_all(b"bytes").unwrap();
            file.rewind().unwrap();
            assert_eq!(io::read_to_string(file).unwrap(), "bytes");
        }
    }

    #[test]
    fn dropped_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        drop(both(folder.path()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let nowhere = folder.path().join("nowhere");
        assert!(TemporaryFile::create_in(&nowhere, 0o600, &Leftovers::default()).is_err());
    }

    #[test]
    fn nobody_else_reads_a_file_before_it_has_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let [_, file] = both_with(folder.path(), 0o666, &Leftovers::default());
        let [there] = names_in(folder.path()).try_into().unwrap();
        assert_eq!(mode_of(&there), 0o600);
        let path = folder.path().join("name");
        file.name(&path).unwrap();
        // As any other file of this process gets them.
        let other = folder.path().join("other");
        fs::write(&other, "").unwrap();
        assert_eq!(mode_of(&path), mode_of(&other));
    }

    #[test]
    fn permissions_that_are_said_count_for_every_kind_of_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name");
        for mut file in both(folder.path()) {
            file.set_mode(0o757).unwrap();
            file.replace(&path).unwrap();
            assert_eq!(mode_of(&path), 0o757);
        }
    }

    #[test]
    fn end_without_drops_leaves_no_temporary_name() {
        let folder = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::default();
        let files = both_with(folder.path(), 0o666, &leftovers);
        assert_eq!(names_in(folder.path()).len(), 1);
        drop(leftovers.clear());
        assert_eq!(names_in(folder.path()).len(), 0);
        drop(files);
    }

    fn names_in(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}
