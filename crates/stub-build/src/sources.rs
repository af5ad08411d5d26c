//! The sources of stubs, as data in a package.
//!
//! cargo leaves folders with a manifest out of a package. So the manifests are called `Cargo.toml.in`
//! and `Cargo.lock.in` there, and get their names in a copy. In the repository, the files are links to
//! the real ones. All builds take the copy, so that a build of the repository notices if a package
//! would lack a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// The end of the names of manifests.
const SUFFIX: &str = ".in";

/// A copy of the sources that cargo can build.
#[derive(Debug)]
pub struct Sources {
    folder: PathBuf,
    originals: Vec<PathBuf>,
}

impl Sources {
    /// Copies the sources in the folder `data` to another folder, and removes everything else there. A
    /// file that has not changed is not written, so that nothing is built without need.
    ///
    /// # Errors
    /// The file or folder that cannot be read or written.
    pub fn copy(data: &Path, folder: &Path) -> Result<Self, Error> {
        let mut sources = Self { folder: folder.to_owned(), originals: Vec::new() };
        let mut kept = BTreeSet::new();
        sources.copy_folder(data, folder, &mut kept)?;
        remove_others(folder, &kept)?;
        Ok(sources)
    }

    /// Returns the manifest of the stub's workspace.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.crates().join("stub/Cargo.toml")
    }

    /// Returns the script for the linker.
    pub(crate) fn linker_script(&self) -> PathBuf {
        self.crates().join("stub/stub.ld")
    }

    /// Returns the folder that has all crates.
    pub(crate) fn crates(&self) -> PathBuf {
        self.folder.join("crates")
    }

    /// Returns the files and folders that were copied, without links: a change of any of them makes other
    /// stubs.
    pub fn originals(&self) -> &[PathBuf] {
        &self.originals
    }

    fn copy_folder(
        &mut self,
        from: &Path,
        to: &Path,
        kept: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        self.originals.push(from.canonicalize().map_err(Error::file(from))?);
        fs::create_dir_all(to).map_err(Error::file(to))?;
        for entry in fs::read_dir(from).map_err(Error::file(from))? {
            let entry = entry.map_err(Error::file(from))?;
            let (from, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let to = to.join(name.strip_suffix(SUFFIX).unwrap_or(&name));
            kept.insert(to.clone());
            if from.is_dir() {
                self.copy_folder(&from, &to, kept)?;
                continue;
            }
            let content = fs::read(&from).map_err(Error::file(&from))?;
            self.originals.push(from.canonicalize().map_err(Error::file(&from))?);
            if fs::read(&to).ok().as_ref() != Some(&content) {
                fs::write(&to, content).map_err(Error::file(&to))?;
            }
        }
        Ok(())
    }
}

fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let is_folder = path.is_dir();
        match (kept.contains(&path), is_folder) {
            (true, true) => remove_others(&path, kept)?,
            (true, false) => (),
            (false, true) => fs::remove_dir_all(&path).map_err(Error::file(&path))?,
            (false, false) => fs::remove_file(&path).map_err(Error::file(&path))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn copy_follows_links_names_manifests_and_keeps_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let [data, code, copy] = ["data", "code", "copy"].map(|name| folder.path().join(name));
        for folder in [&data, &code, &copy.join("gone")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(code.join("main.rs"), "main").unwrap();
        fs::write(code.join("manifest"), "manifest").unwrap();
        fs::write(copy.join("old.rs"), "old").unwrap();
        symlink(&code, data.join("src")).unwrap();
        symlink(code.join("manifest"), data.join("Cargo.toml.in")).unwrap();

        let sources = Sources::copy(&data, &copy).unwrap();
        let read = |name: &str| fs::read_to_string(copy.join(name)).unwrap();
        assert_eq!((read("Cargo.toml"), read("src/main.rs")), ("manifest".into(), "main".into()));
        assert!(!copy.join("src").is_symlink());
        assert!(!copy.join("old.rs").exists() && !copy.join("gone").exists());
        let code = code.canonicalize().unwrap();
        assert!(sources.originals().contains(&code.join("main.rs")));
    }

    #[test]
    fn what_has_not_changed_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let [data, copy] = ["data", "copy"].map(|name| folder.path().join(name));
        fs::create_dir(&data).unwrap();
        fs::write(data.join("lib.rs"), "one").unwrap();
        Sources::copy(&data, &copy).unwrap();
        let copied = copy.join("lib.rs");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        fs::File::options().write(true).open(&copied).unwrap().set_modified(long_ago).unwrap();
        let modified = || fs::metadata(&copied).unwrap().modified().unwrap();
        Sources::copy(&data, &copy).unwrap();
        assert_eq!(modified(), long_ago);
        fs::write(data.join("lib.rs"), "two").unwrap();
        Sources::copy(&data, &copy).unwrap();
        assert_eq!(fs::read(&copied).unwrap(), b"two");
        assert_ne!(modified(), long_ago);
    }
}
