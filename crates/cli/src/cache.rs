//! The cache: the sealed record of what was pushed from here, in a folder of the user's own.
//!
//! What is in the record is [`sealcrate_crypt::pushed`]'s business; here is where it lies, and that
//! nobody else reads it, and that two pushes at once lose nothing of each other's. A cache that cannot be
//! used is a warning: a push only takes longer without it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use sealcrate_crypt::pushed::{MAX_RECORD_BYTES, Record, RecordKey};
use zeroize::Zeroizing;

use crate::destination::{Destination, Existing};
use crate::interrupt::Interrupt;

/// The files in the folder. The key goes first when all are removed.
const KEY: &str = "key";
const RECORD: &str = "pushed";
const LOCK: &str = "lock";

/// The folder that the cache is in, which need not be there.
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Finds the folder: `sealcrate` in `XDG_CACHE_HOME`, else in `~/.cache`. A machine without a home
    /// has no cache.
    pub(crate) fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        let absolute =
            |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let caches = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(Self { folder: caches.join("sealcrate") })
    }

    /// Reads the record; there is none in a new cache.
    pub(crate) fn read(&self) -> Result<Option<Record>> {
        let Some(key) = self.key()? else { return Ok(None) };
        self.record(&key)
    }

    /// Changes the record, or `begun` if there is none yet, while no other process does.
    pub(crate) fn update(
        &self,
        begun: Record,
        interrupt: &Interrupt,
        change: impl FnOnce(&mut Record),
    ) -> Result<()> {
        let folder = &self.folder;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let lock = self.open(LOCK, OpenOptions::new().write(true).create(true).truncate(false))?;
        flock(&lock, FlockOperation::LockExclusive).context("cannot lock the cache")?;
        let key = match self.key()? {
            Some(key) => key,
            None => self.make_key()?,
        };
        // A record that cannot be read is of no use to anybody.
        let mut record = self.record(&key).ok().flatten().unwrap_or(begun);
        change(&mut record);
        let sealed = record.seal(&key)?;
        let path = self.folder.join(RECORD);
        let destination = Destination::new(&path, Existing::Replace)?;
        let file = destination.create(0o600, interrupt)?;
        file.file().write_all(&sealed).context("cannot write the cache")?;
        destination.name_with_mode(file, 0o600, interrupt)
    }

    /// Removes all that is in the cache, and returns its folder if there was something.
    pub(crate) fn purge(&self) -> Result<Option<&Path>> {
        let mut found = None;
        for name in [KEY, RECORD, LOCK] {
            let path = self.folder.join(name);
            match fs::remove_file(&path) {
                Ok(()) => found = Some(self.folder.as_path()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
            }
        }
        match fs::remove_dir(&self.folder) {
            // What else is in there is not ours.
            Err(error) if !is_of_no_matter(&error) => Err(error)
                .with_context(|| format!("cannot remove the folder {}", self.folder.display())),
            _ => Ok(found),
        }
    }

    fn key(&self) -> Result<Option<RecordKey>> {
        let path = self.folder.join(KEY);
        let Some(file) = found(File::open(&path)).with_context(|| cannot_read(&path))? else {
            return Ok(None);
        };
        if file.metadata()?.mode() & 0o077 != 0 {
            bail!("{} can be read by others: its mode has to be 0600", path.display());
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(RecordKey::LEN + 1));
        file.take(RecordKey::LEN as u64 + 1).read_to_end(&mut bytes)?;
        match RecordKey::from_bytes(&bytes) {
            Some(key) => Ok(Some(key)),
            None => bail!("{} is no key of a cache", path.display()),
        }
    }

    fn make_key(&self) -> Result<RecordKey> {
        let key = RecordKey::generate()?;
        let mut file = self.open(KEY, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(key.as_bytes()).context("cannot write the key of the cache")?;
        Ok(key)
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Record>> {
        let path = self.folder.join(RECORD);
        let Some(file) = found(File::open(&path)).with_context(|| cannot_read(&path))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(MAX_RECORD_BYTES + 1)
            .read_to_end(&mut bytes)
            .with_context(|| cannot_read(&path))?;
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            bail!("{} is too large", path.display());
        }
        let opened = Record::open(&bytes, key);
        opened.map(Some).with_context(|| format!("cannot use {}", path.display()))
    }

    fn open(&self, name: &str, options: &mut OpenOptions) -> Result<File> {
        let path = self.folder.join(name);
        let opened = options.mode(0o600).open(&path);
        opened.with_context(|| format!("cannot write {}", path.display()))
    }
}

fn found(opened: io::Result<File>) -> io::Result<Option<File>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_of_no_matter(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty)
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn cache(folder: &Path) -> Cache {
        Cache { folder: folder.join("sealcrate") }
    }

    fn filled(folder: &Path) -> (Cache, Record) {
        let (cache, record) = (cache(folder), Record::new().unwrap());
        cache.update(record.clone(), &Interrupt::default(), |_| ()).unwrap();
        (cache, record)
    }

    #[test]
    fn folder_follows_the_environment() {
        let of = |pairs: &'static [(&str, &str)]| {
            let find = move |name: &str| {
                let pair = pairs.iter().find(|(key, _)| *key == name);
                pair.map(|(_, value)| OsString::from(value))
            };
            Cache::of(&find).map(|cache| cache.folder)
        };
        assert_eq!(of(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]), Some("/c/sealcrate".into()));
        assert_eq!(of(&[("HOME", "/h")]), Some("/h/.cache/sealcrate".into()));
        assert_eq!(of(&[("XDG_CACHE_HOME", "c"), ("HOME", "/h")]), of(&[("HOME", "/h")]));
        assert_eq!(of(&[("HOME", "")]), None);
    }

    #[test]
    fn what_is_written_is_the_users_alone_and_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, record) = filled(folder.path());
        assert_eq!(cache.read().unwrap().unwrap().salt(), record.salt());
        let mode = |name: &str| fs::metadata(cache.folder.join(name)).unwrap().mode() & 0o777;
        assert_eq!([".", KEY, RECORD, LOCK].map(mode), [0o700, 0o600, 0o600, 0o600]);
        let another = Record::new().unwrap();
        cache.update(another, &Interrupt::default(), |_| ()).unwrap();
        assert_eq!(cache.read().unwrap().unwrap().salt(), record.salt());
    }

    #[test]
    fn key_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, record) = filled(folder.path());
        fs::set_permissions(cache.folder.join(KEY), Permissions::from_mode(0o640)).unwrap();
        let error = cache.read().err().unwrap().to_string();
        assert!(error.contains("can be read by others"), "{error}");
        assert!(cache.update(record, &Interrupt::default(), |_| ()).is_err());
    }

    #[test]
    fn damaged_record_is_told_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, _) = filled(folder.path());
        let path = cache.folder.join(RECORD);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(format!("{:#}", cache.read().err().unwrap()).contains("it is damaged"));
        let new = Record::new().unwrap();
        cache.update(new.clone(), &Interrupt::default(), |_| ()).unwrap();
        assert_eq!(cache.read().unwrap().unwrap().salt(), new.salt());
    }

    #[test]
    fn purging_leaves_nothing_but_what_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, _) = filled(folder.path());
        assert_eq!(cache.purge().unwrap(), Some(cache.folder.as_path()));
        assert!(!cache.folder.exists());
        assert_eq!(cache.purge().unwrap(), None);
        let (cache, _) = filled(folder.path());
        fs::write(cache.folder.join("other"), "").unwrap();
        cache.purge().unwrap();
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1);
    }
}
