//! The file that a command writes: it gets its name when it is whole.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use sealcrate_image::TemporaryFile;

use crate::environment::interrupt::Interrupt;
use crate::output::failure::Exists;

/// Whether an existing file stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// A file that a command writes.
pub(crate) struct Destination<'a> {
    path: &'a Path,
    existing: Existing,
}

impl<'a> Destination<'a> {
    /// Checks that a file can be named `path`. It is better to fail now than after all the work.
    pub(crate) fn new(path: &'a Path, existing: Existing) -> Result<Self> {
        match (path.symlink_metadata(), existing) {
            (Ok(_), Existing::Keep) => return Err(Exists(path.to_owned()).into()),
            (Ok(there), Existing::Replace) => {
                let is_replaceable = there.is_file() || there.is_symlink();
                anyhow::ensure!(is_replaceable, "{} is not a regular file", path.display());
            }
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {}
            (Err(error), _) => return Err(error).with_context(|| cannot_write(path)),
        }
        Ok(Self { path, existing })
    }

    /// Makes the file, without a name, with the permissions `mode`, less those that the process
    /// withholds. If it has a temporary name, an `interrupt` removes that.
    pub(crate) fn create(&self, mode: u32, interrupt: &Interrupt) -> Result<TemporaryFile> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        TemporaryFile::create_in(folder, mode, interrupt.leftovers())
            .with_context(|| cannot_write(self.path))
    }

    /// Gives `file`, which is whole, exactly the permissions `mode`, and its name.
    pub(crate) fn name_with_mode(
        &self,
        mut file: TemporaryFile,
        mode: u32,
        interrupt: &Interrupt,
    ) -> Result<()> {
        file.set_mode(mode).with_context(|| cannot_write(self.path))?;
        self.name(file, interrupt)
    }

    /// Gives `file`, which is whole, its name.
    pub(crate) fn name(&self, file: TemporaryFile, interrupt: &Interrupt) -> Result<()> {
        let named = file.file().sync_all().and_then(|()| {
            interrupt.hold(|| match self.existing {
                Existing::Keep => file.name(self.path),
                Existing::Replace => file.replace(self.path),
            })
        });
        match named {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Exists(self.path.to_owned()).into())
            }
            other => other.with_context(|| cannot_write(self.path)),
        }
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(path: &Path, existing: Existing) -> Result<()> {
        let destination = Destination::new(path, existing)?;
        let interrupt = Interrupt::default();
        let file = destination.create(0o600, &interrupt)?;
        file.file().write_all(b"new")?;
        destination.name_with_mode(file, 0o751, &interrupt)
    }

    #[test]
    fn files_that_are_there_are_replaced_only_if_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        written(&path, Existing::Keep).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o751);
        fs::write(&path, "old").unwrap();
        assert!(written(&path, Existing::Keep).unwrap_err().is::<Exists>());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        written(&path, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // Another process was faster.
        let destination = Destination { path: &path, existing: Existing::Keep };
        let interrupt = Interrupt::default();
        let late = destination.create(0o600, &interrupt).unwrap();
        let late = destination.name(late, &interrupt);
        assert!(late.unwrap_err().is::<Exists>());
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
