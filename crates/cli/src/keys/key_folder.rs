//! Folders of key files, as on machines that decrypt for all their users.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sealcrate_crypt::ocicrypt::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
use zeroize::Zeroizing;

/// More files than this are no folder of keys.
const MAX_FILES: usize = 1000;

/// How many levels of folders are read; a link may lead round in a circle.
const MAX_DEPTH: usize = 8;

/// The keys in a folder.
#[derive(Debug, Default)]
pub(crate) struct KeyFolder {
    /// The keys that can be used.
    pub(crate) identities: Vec<Identity>,
    /// The files that cannot be used as keys, and why.
    pub(crate) unusable: Vec<String>,
}

impl KeyFolder {
    /// Reads every file in `folder` and below it, in the order of their names.
    ///
    /// It follows links, and skips names that begin with two dots: a secret of Kubernetes is made of
    /// both.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        list(folder, 0, &mut files)
            .with_context(|| format!("cannot read the keys in {}", folder.display()))?;
        let mut keys = Self::default();
        for file in files {
            keys.add_file(&file)?;
        }
        Ok(keys)
    }

    /// Adds the keys in the file or folder `path`.
    pub(crate) fn add(&mut self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            return self.add_file(path);
        }
        let Self { identities, unusable } = Self::read(path)?;
        self.identities.extend(identities);
        self.unusable.extend(unusable);
        Ok(())
    }

    fn add_file(&mut self, file: &Path) -> Result<()> {
        let bytes = read(file).with_context(|| format!("cannot read {}", file.display()))?;
        match Identity::parse(&bytes) {
            Ok(identity) => self.identities.push(identity),
            // Other decoders need the certificate beside the key.
            Err(IdentityError::Certificate) => {}
            Err(error) => self.unusable.push(format!("{}: {error}", file.display())),
        }
        Ok(())
    }
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    anyhow::ensure!(depth < MAX_DEPTH, "there are more than {MAX_DEPTH} folders in each other");
    let mut entries =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"..")) {
            continue;
        }
        let kind = fs::metadata(&path).with_context(|| path.display().to_string())?;
        if kind.is_dir() {
            list(&path, depth + 1, files)?;
        } else if kind.is_file() {
            anyhow::ensure!(files.len() < MAX_FILES, "there are more than {MAX_FILES} files");
            files.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES + 1));
    File::open(file)?.take(MAX_KEY_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const KEY: &str =
        r#"{"kty":"EC","crv":"P-256","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}"#;

    #[test]
    fn secrets_of_kubernetes_and_folders_below_are_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("..2026/x")).unwrap();
        fs::create_dir_all(path("more/keys")).unwrap();
        fs::write(path("..2026/key"), KEY).unwrap();
        fs::write(path("more/keys/key"), KEY).unwrap();
        fs::write(path("more/README"), "no key").unwrap();
        symlink("..2026", path("..data")).unwrap();
        symlink("..data/key", path("key")).unwrap();
        let found = KeyFolder::read(folder.path()).unwrap();
        assert_eq!(found.identities.len(), 2);
        let named = format!("{}: there is no private key", path("more/README").display());
        assert!(found.unusable.len() == 1 && found.unusable[0].starts_with(&named), "{found:?}");
    }

    #[test]
    fn folders_without_end_and_missing_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        symlink(".", folder.path().join("again")).unwrap();
        let error = format!("{:#}", KeyFolder::read(folder.path()).unwrap_err());
        assert!(error.ends_with("in each other"), "{error}");
        let missing = folder.path().join("missing");
        let error = format!("{:#}", KeyFolder::read(&missing).unwrap_err());
        assert!(error.starts_with(&format!("cannot read the keys in {}", missing.display())));
        symlink("missing", folder.path().join("again-too")).unwrap();
        fs::remove_file(folder.path().join("again")).unwrap();
        assert!(KeyFolder::read(folder.path()).is_err());
    }
}
