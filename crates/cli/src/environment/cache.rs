//! The cache: the sealed record of earlier pushes, in a folder of the user's own, and its key in another
//! one.
//!
//! [`sealcrate_crypt::pushed`] owns the content of the record. This module owns the places of both, and
//! holds that nobody else reads them, and that two pushes at once lose nothing of each other's. CI services
//! copy folders of caches about; so the key is not there. A cache that cannot be used is a warning: a push
//! only takes longer without it.

mod own;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use sealcrate_core::{Destination, ErrorSource, Existing, PushMemory};
use sealcrate_crypt::pushed::{MAX_RECORD_BYTES, Record, RecordKey};

use crate::environment::interrupt::Interrupt;
use crate::output::failure::boxed;
use crate::output::notices::files;
use own::{OwnFile, OwnFolder};

/// The file in the folder for state. Earlier versions had it in the cache's folder.
const KEY: &str = "key";
/// The files in the folder of the cache.
const RECORD: &str = "pushed";
const LOCK: &str = "lock";

/// The memory of earlier pushes that this machine keeps.
pub(crate) struct Remembered {
    pub(crate) cache: Cache,
    pub(crate) interrupt: Interrupt,
}

impl PushMemory for Remembered {
    fn read(&self) -> Result<Option<Record>, ErrorSource> {
        self.cache.read(&self.interrupt).map_err(boxed)
    }

    fn update(
        &self,
        record: Record,
        change: &mut dyn FnMut(&mut Record),
    ) -> Result<(), ErrorSource> {
        self.cache.update(record, &self.interrupt, change).map_err(boxed)
    }
}

/// The folders that the record and its key are in.
pub(crate) struct Cache {
    folder: OwnFolder,
    state: OwnFolder,
}

impl Cache {
    /// Finds the folders: `sealcrate` in `XDG_CACHE_HOME`, else in `~/.cache`, and in `XDG_STATE_HOME`,
    /// else in `~/.local/state`. A machine without a home has no cache.
    pub(crate) fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        let absolute =
            |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let within = |name: &str, below_home: &str| {
            let folder =
                absolute(name).or_else(|| absolute("HOME").map(|home| home.join(below_home)))?;
            Some(OwnFolder(folder.join("sealcrate")))
        };
        let folder = within("XDG_CACHE_HOME", ".cache")?;
        Some(Self { folder, state: within("XDG_STATE_HOME", ".local/state")? })
    }

    /// Reads the record; `None` in a new cache, or without its key.
    pub(crate) fn read(&self, interrupt: &Interrupt) -> Result<Option<Record>> {
        if self.folder.path(KEY).exists() {
            let _lock = self.lock()?;
            self.take_over(interrupt)?;
        }
        match self.key()? {
            Some(key) => self.record(&key),
            None => Ok(None),
        }
    }

    /// Changes the record, or `begun` if there is none yet, while no other process does.
    pub(crate) fn update(
        &self,
        begun: Record,
        interrupt: &Interrupt,
        change: impl FnOnce(&mut Record),
    ) -> Result<()> {
        self.folder.make()?;
        let _lock = self.lock()?;
        self.take_over(interrupt)?;
        let key = self.key_or_new(interrupt)?;
        // A record that cannot be read is of no use to anybody.
        let mut record = self.record(&key).ok().flatten().unwrap_or(begun);
        change(&mut record);
        self.write(&record, &key, interrupt)
    }

    /// Removes the key and the record, and returns the folders that had one of them.
    pub(crate) fn purge(&self) -> Result<Vec<&Path>> {
        let mut found = Vec::new();
        // The key goes first.
        for (folder, names) in [(&self.state, &[KEY][..]), (&self.folder, &[KEY, RECORD, LOCK])] {
            if folder.remove(names)? {
                found.push(folder.0.as_path());
            }
        }
        Ok(found)
    }

    /// Seals the record anew where an earlier version left its key beside the record, and removes that key:
    /// every copy of the folder has it.
    ///
    /// The old key counts only as long as the state folder has none. A key that appears later came with
    /// somebody's copy of the folder. That person knows the data keys in its record, and a push would use
    /// them.
    fn take_over(&self, interrupt: &Interrupt) -> Result<()> {
        let Some(old) = key_in(&self.folder)? else { return Ok(()) };
        if self.key()?.is_none() {
            let record = self.record(&old).ok().flatten();
            let key = self.key_or_new(interrupt)?;
            if let Some(record) = record {
                self.write(&record, &key, interrupt)?;
            }
        }
        self.folder.remove(&[KEY]).map(|_| ())
    }

    fn key(&self) -> Result<Option<RecordKey>> {
        key_in(&self.state)
    }

    fn key_or_new(&self, interrupt: &Interrupt) -> Result<RecordKey> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        self.state.make()?;
        let key = RecordKey::generate()?;
        write(&self.state.path(KEY), Existing::Keep, key.as_bytes(), interrupt)?;
        Ok(key)
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Record>> {
        let Some(OwnFile { path, bytes, .. }) = self.folder.read(RECORD, MAX_RECORD_BYTES)? else {
            return Ok(None);
        };
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            bail!("{} is too large", path.display());
        }
        let opened = Record::open(&bytes, key);
        opened.map(Some).with_context(|| format!("cannot use {}", path.display()))
    }

    fn write(&self, record: &Record, key: &RecordKey, interrupt: &Interrupt) -> Result<()> {
        let sealed = record.seal(key)?;
        write(&self.folder.path(RECORD), Existing::Replace, &sealed, interrupt)
    }

    /// Waits until no other process changes the record.
    fn lock(&self) -> Result<File> {
        self.folder.check()?;
        let path = self.folder.path(LOCK);
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = opened.with_context(|| format!("cannot write {}", path.display()))?;
        flock(&lock, FlockOperation::LockExclusive).context("cannot lock the cache")?;
        Ok(lock)
    }
}

/// Reads the key in a folder, which nobody but the user may be able to read.
fn key_in(folder: &OwnFolder) -> Result<Option<RecordKey>> {
    let Some(OwnFile { path, mode, bytes }) = folder.read(KEY, RecordKey::LEN as u64)? else {
        return Ok(None);
    };
    if mode & 0o077 != 0 {
        bail!("{} can be read by others: its mode has to be 0600", path.display());
    }
    match RecordKey::from_bytes(&bytes) {
        Some(key) => Ok(Some(key)),
        None => bail!("{} is no key of a cache: `cache purge` removes it", path.display()),
    }
}

/// Writes a file whole, or not at all, for the user alone.
fn write(path: &Path, existing: Existing, bytes: &[u8], interrupt: &Interrupt) -> Result<()> {
    let destination = Destination::new(path, existing)?;
    let files = files(interrupt);
    let file = destination.create(0o600, &files)?;
    file.file().write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(destination.name_with_mode(file, 0o600, &files)?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn cache(folder: &Path) -> Cache {
        let own = |name: &str| OwnFolder(folder.join(name).join("sealcrate"));
        Cache { folder: own("cache"), state: own("state") }
    }

    fn filled(folder: &Path) -> (Cache, Record) {
        let (cache, record) = (cache(folder), Record::new().unwrap());
        update(&cache, &record).unwrap();
        (cache, record)
    }

    fn update(cache: &Cache, record: &Record) -> Result<()> {
        cache.update(record.clone(), &Interrupt::default(), |_| ())
    }

    fn read(cache: &Cache) -> Result<Option<Record>> {
        cache.read(&Interrupt::default())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// Turns a cache into one as earlier versions left it.
    fn made_old(cache: &Cache) {
        fs::rename(cache.state.path(KEY), cache.folder.path(KEY)).unwrap();
        fs::remove_dir(&cache.state.0).unwrap();
    }

    #[test]
    fn folders_follow_the_environment() {
        let of = |pairs: &'static [(&str, &str)]| {
            let find = move |name: &str| {
                let pair = pairs.iter().find(|(key, _)| *key == name);
                pair.map(|(_, value)| OsString::from(value))
            };
            Cache::of(&find).map(|cache| (cache.folder.0, cache.state.0))
        };
        let folders = |cache: &str, state: &str| Some((cache.into(), state.into()));
        assert_eq!(
            of(&[("HOME", "/h")]),
            folders("/h/.cache/sealcrate", "/h/.local/state/sealcrate")
        );
        assert_eq!(
            of(&[("XDG_CACHE_HOME", "/c"), ("XDG_STATE_HOME", "/s"), ("HOME", "/h")]),
            folders("/c/sealcrate", "/s/sealcrate")
        );
        let relative = of(&[("XDG_CACHE_HOME", "c"), ("XDG_STATE_HOME", "s"), ("HOME", "/h")]);
        assert_eq!(relative, of(&[("HOME", "/h")]));
        assert_eq!(of(&[("HOME", "")]), None);
        assert_eq!(of(&[("XDG_CACHE_HOME", "/c")]), None);
    }

    #[test]
    fn what_is_written_is_the_users_alone_and_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, record) = filled(folder.path());
        assert_eq!(read(&cache).unwrap().unwrap().salt(), record.salt());
        let modes = [".", RECORD, LOCK].map(|name| mode(&cache.folder.path(name)));
        assert_eq!(modes, [0o700, 0o600, 0o600]);
        assert_eq!([".", KEY].map(|name| mode(&cache.state.path(name))), [0o700, 0o600]);
        assert!(!cache.folder.path(KEY).exists());
        update(&cache, &Record::new().unwrap()).unwrap();
        assert_eq!(read(&cache).unwrap().unwrap().salt(), record.salt());
    }

    #[test]
    fn without_the_key_there_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, record) = filled(folder.path());
        fs::remove_file(cache.state.path(KEY)).unwrap();
        assert!(read(&cache).unwrap().is_none());
        let new = Record::new().unwrap();
        update(&cache, &new).unwrap();
        let salt = *read(&cache).unwrap().unwrap().salt();
        assert!(salt == *new.salt() && salt != *record.salt());
    }

    #[test]
    fn key_that_was_beside_the_record_opens_nothing_any_more() {
        for updates in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (cache, record) = filled(folder.path());
            made_old(&cache);
            let old = key_in(&cache.folder).unwrap().unwrap();
            if updates {
                update(&cache, &Record::new().unwrap()).unwrap();
            }
            assert_eq!(read(&cache).unwrap().unwrap().salt(), record.salt());
            assert!(!cache.folder.path(KEY).exists());
            assert_eq!([".", KEY].map(|name| mode(&cache.state.path(name))), [0o700, 0o600]);
            assert!(cache.record(&old).is_err());
        }
    }

    #[test]
    fn key_that_appears_beside_the_record_later_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, planted) = filled(folder.path());
        made_old(&cache);
        cache.key_or_new(&Interrupt::default()).unwrap();
        assert!(read(&cache).is_err(), "the planted record was taken over");
        assert!(!cache.folder.path(KEY).exists());
        let own = Record::new().unwrap();
        update(&cache, &own).unwrap();
        let salt = *read(&cache).unwrap().unwrap().salt();
        assert!(salt == *own.salt() && salt != *planted.salt());
    }

    #[test]
    fn key_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, record) = filled(folder.path());
        fs::set_permissions(cache.state.path(KEY), Permissions::from_mode(0o640)).unwrap();
        let error = read(&cache).err().unwrap().to_string();
        assert!(error.contains("can be read by others"), "{error}");
        assert!(update(&cache, &record).is_err());
    }

    #[test]
    fn damaged_record_is_told_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, _) = filled(folder.path());
        let path = cache.folder.path(RECORD);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(format!("{:#}", read(&cache).err().unwrap()).contains("it is damaged"));
        let new = Record::new().unwrap();
        update(&cache, &new).unwrap();
        assert_eq!(read(&cache).unwrap().unwrap().salt(), new.salt());
    }

    #[test]
    fn purging_leaves_nothing_but_what_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, _) = filled(folder.path());
        let both = [&cache.state.0, &cache.folder.0];
        assert_eq!(cache.purge().unwrap(), both);
        assert!(both.iter().all(|folder| !folder.exists()));
        assert!(cache.purge().unwrap().is_empty());
        let (cache, _) = filled(folder.path());
        fs::write(cache.folder.path("other"), "").unwrap();
        cache.purge().unwrap();
        assert_eq!(fs::read_dir(&cache.folder.0).unwrap().count(), 1);
    }
}
