//! The folder that private files are unlocked in. Unless the index allows any file system, it has to be the
//! container's own memory. Nothing may be mounted in it.

mod leftovers;
pub(crate) mod state;

use sealcrate_packfile::index::{Index, Needs, UnlockOn};
use sealcrate_stub_start::system::{self, Errno, Folder, read_link};
use sealcrate_stub_start::{self as start, Mounts};

use crate::failure::{Advice, Failure};
use crate::paths::UNLOCK_FOLDER;

/// The path of the folder above it, and its name there.
const PARENT: &[u8] = b"/dev";
const NAME: &[u8] = b"sealcrate";

/// The number of files that advice adds, for a program that makes files later.
const MORE_FILES: u64 = 1000;

/// The longest path, in bytes.
const MAX_PATH: usize = 4096;

/// The folder, open.
pub(crate) struct UnlockFolder {
    pub(crate) folder: Folder,
    parent: Folder,
    is_made: bool,
}

impl UnlockFolder {
    /// Opens or makes the folder, removes the files of an earlier start, and checks that the whole index can
    /// be unlocked there.
    #[cold]
    #[inline(never)]
    pub(crate) fn open(index: &Index<'_>) -> Result<Self, Failure> {
        let mounts = Mounts::read()?;
        check_mounts(&mounts, index)?;
        let needs = Needs::of(index);
        let no_folder = |error| Failure::NoFolder { error, advice: advice(&needs) };
        let parent = Folder::open(PARENT).map_err(no_folder)?;
        let folder = match parent.child(NAME) {
            Err(Errno::NO_ENTRY) => None,
            found => Some(found.map_err(no_folder)?),
        };
        let is_made = folder.is_none();
        let is_memory =
            match folder.as_ref().map(|folder| mounts.at(UNLOCK_FOLDER.as_bytes(), folder)) {
                Some(Some(mount)) => mount.is_memory(),
                // The folder is no mount itself, but part of `/dev`.
                _ => match mounts.at(PARENT, &parent) {
                    Some(mount) if mount.is_own(&parent) => true,
                    Some(mount) if mount.is_memory() || mount.is_of_devices() => {
                        return Err(Failure::NotOwn(advice(&needs)));
                    }
                    _ => false,
                },
            };
        match (index.unlock_on, is_memory) {
            (UnlockOn::Memory, false) => return Err(Failure::NotMemory(advice(&needs))),
            // The check before the key could not know whether the folder would be memory.
            (UnlockOn::AnyFileSystem, true) => drop(start::check_memory_for(needs.memory())?),
            _ => {}
        }
        let folder = match folder {
            Some(folder) => folder,
            None => {
                parent.make_folder(NAME, 0o755).map_err(no_folder)?;
                parent.child(NAME).map_err(no_folder)?
            }
        };
        let opened = Self { folder, parent, is_made };
        let checked = opened.check(&needs);
        if checked.is_err() {
            opened.remove();
        }
        checked.map(|()| opened)
    }

    #[cold]
    #[inline(never)]
    fn check(&self, needs: &Needs) -> Result<(), Failure> {
        leftovers::clear(&self.folder)?;
        let no_folder = |error| Failure::NoFolder { error, advice: advice(needs) };
        let file_system = self.folder.file_system().map_err(no_folder)?;
        if needs.has_programs && !file_system.executes {
            return Err(Failure::NoExecute(advice(needs)));
        }
        let (free, files) = (file_system.free_bytes, file_system.free_files);
        if let Some(free) = files.filter(|free| *free < needs.files) {
            let (needed, advised) = (needs.files, needs.files + MORE_FILES);
            return Err(Failure::Files { free, needed, advised, advice: advice(needs) });
        }
        if let Some(free) = free.filter(|free| *free < needs.bytes) {
            let free = free >> 20;
            return Err(Failure::Room { free, needed: needs.mib(), advice: advice(needs) });
        }
        if self.is_made {
            // The umask may have withheld permissions when the folder was made.
            self.folder.descriptor().set_mode(0o755).map_err(no_folder)?;
        }
        Ok(())
    }

    /// Removes everything that this start has made, as far as possible.
    pub(crate) fn take_back(&self) {
        leftovers::take_back(&self.folder);
        self.remove();
    }

    /// Removes the folder, if it was made here and is empty.
    fn remove(&self) {
        if self.is_made {
            let _ = self.parent.remove_folder(NAME);
        }
    }
}

/// Returns the option that makes a proper folder.
fn advice(needs: &Needs) -> Advice {
    Advice { mib: needs.advised_mib(), is_root: system::user().0 == 0 }
}

/// Fails if something is mounted in the folder, even if another mount hides it. If the list of mounts cannot
/// be read, `Folder::beneath` notices mounts when it opens folders.
///
/// Fails also if a volume that should last has our links instead of files: an engine that fills a fresh
/// volume copies the links. Writes to such a file would be gone with the memory.
#[cold]
#[inline(never)]
fn check_mounts(mounts: &Mounts, index: &Index<'_>) -> Result<(), Failure> {
    for mount in mounts.iter() {
        let inside = mount.point.strip_prefix(UNLOCK_FOLDER.as_bytes());
        if inside.is_some_and(|inside| inside.starts_with(b"/")) {
            let path = mount.path()?;
            return Err(match Folder::open(path) {
                Err(Errno::NOT_A_DIRECTORY) => Failure::MountedFile { path },
                _ => Failure::Mount { path },
            });
        }
        if !mount.lasts() {
            continue;
        }
        for entry in index.entries().filter(|entry| mount.has(entry.path)) {
            let mut target = [0; MAX_PATH];
            let target = read_link(&[b"/", entry.path], &mut target).unwrap_or_default();
            let unlocked = target.strip_prefix(UNLOCK_FOLDER.as_bytes());
            if unlocked.and_then(|path| path.strip_prefix(b"/")) == Some(entry.path) {
                return Err(Failure::Filled { path: mount.path()? });
            }
        }
    }
    Ok(())
}
