//! Leftovers: names that must not stay, and the one place that removes them.
//!
//! A file without a name vanishes with the program. Some file systems have no such files, and a layout
//! gives names to blobs before its list names them. If the program ends in the middle of that, no drops
//! run. So the program removes those names first, with [`Leftovers::clear`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The names of files and folders that are removed, however the program ends.
///
/// Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    names: Arc<Mutex<Vec<PathBuf>>>,
}

/// Holds the list after it was cleared: nothing gets a name, and nothing is committed, while it lives.
#[must_use = "new names are possible again once this is dropped"]
#[derive(Debug)]
pub struct Cleared<'l> {
    _names: MutexGuard<'l, Vec<PathBuf>>,
}

impl Leftovers {
    /// Removes everything, the newest first. Its caller ends the program at once.
    pub fn clear(&self) -> Cleared<'_> {
        let mut names = self.lock();
        while let Some(path) = names.pop() {
            remove(&path);
        }
        Cleared { _names: names }
    }

    /// Runs `make`, which makes a file or folder named `path`, and puts that name on the list.
    ///
    /// # Errors
    /// Errors of `make`.
    pub(crate) fn add<T>(
        &self,
        path: &Path,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<(T, Leftover)> {
        let mut names = self.lock();
        let made = make()?;
        names.push(path.to_owned());
        Ok((made, Leftover { path: path.to_owned(), list: self.clone(), is_listed: true }))
    }

    /// Runs `commit`, and keeps all of `kept` if that succeeds. Nobody clears the list in between.
    ///
    /// # Errors
    /// Errors of `commit`; then all of `kept` is removed.
    pub(crate) fn keep<T, E>(
        &self,
        mut kept: Vec<Leftover>,
        commit: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let committed = {
            let mut names = self.lock();
            let committed = commit();
            if committed.is_ok() {
                kept.iter_mut().for_each(|leftover| leftover.strike(&mut names));
            }
            committed
        };
        // Each removes itself, and the newest goes first.
        while kept.pop().is_some() {}
        committed
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something on the list. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Leftover {
    path: PathBuf,
    list: Leftovers,
    is_listed: bool,
}

impl Leftover {
    /// Returns the name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `rename`, which renames the file to `path`. The new name is then the newest on the list.
    ///
    /// # Errors
    /// Errors of `rename`; then the file is removed.
    pub(crate) fn renamed(
        mut self,
        path: &Path,
        rename: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        let list = self.list.clone();
        let mut names = list.lock();
        if let Err(error) = rename(&self.path) {
            // The drop takes the lock.
            drop(names);
            return Err(error);
        }
        self.strike(&mut names);
        names.push(path.to_owned());
        self.is_listed = true;
        path.clone_into(&mut self.path);
        Ok(self)
    }

    fn strike(&mut self, names: &mut Vec<PathBuf>) {
        if let Some(place) = names.iter().rposition(|name| *name == self.path) {
            names.remove(place);
        }
        self.is_listed = false;
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if self.is_listed {
            let list = self.list.clone();
            let mut names = list.lock();
            self.strike(&mut names);
            remove(&self.path);
        }
    }
}

/// Removes a file, or a folder that nobody else has put a file into.
fn remove(path: &Path) {
    // Nobody could do anything about an error.
    let _ = if path.is_dir() && !path.is_symlink() {
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    };
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    fn made(leftovers: &Leftovers, path: &Path) -> Leftover {
        leftovers.add(path, || fs::write(path, "private")).unwrap().1
    }

    #[test]
    fn whoever_ends_the_program_removes_what_is_left_and_nothing_that_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let leftovers = Leftovers::default();
        let (_, _deep) = leftovers.add(&path("deep"), || fs::create_dir(path("deep"))).unwrap();
        let _file = made(&leftovers, &path("deep/file"));
        let kept = made(&leftovers, &path("kept"));
        leftovers.keep(vec![kept], || io::Result::Ok(())).unwrap();
        drop(leftovers.clear());
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(left, [path("kept")]);
    }

    #[test]
    fn commit_that_fails_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::default();
        let file = made(&leftovers, &folder.path().join("file"));
        let failed = leftovers.keep(vec![file], || Err::<(), _>("no"));
        assert_eq!(failed, Err("no"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_got_another_name_is_removed_under_that() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let leftovers = Leftovers::default();
        let file = made(&leftovers, &old);
        let file = file.renamed(&new, |old| fs::rename(old, &new)).unwrap();
        assert_eq!(file.path(), new);
        assert!(file.renamed(&old, |_| Err(io::ErrorKind::Other.into())).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_made_or_committed_after_all_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (early, late) = (folder.path().join("early"), folder.path().join("late"));
        let leftovers = Leftovers::default();
        let file = made(&leftovers, &early);
        let cleared = leftovers.clear();
        let (sender, committed) = channel();
        let (other, path) = (leftovers.clone(), late.clone());
        let thread = thread::spawn(move || {
            sender.send("begun").unwrap();
            other.keep(vec![file], || fs::write(&path, "index")).unwrap();
            sender.send("done").unwrap();
        });
        assert_eq!(committed.recv(), Ok("begun"));
        assert!(committed.try_recv().is_err() && !late.exists() && !early.exists());
        drop(cleared);
        assert_eq!(committed.recv(), Ok("done"));
        thread.join().unwrap();
    }
}
