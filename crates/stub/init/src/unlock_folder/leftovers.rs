//! Removes the files of an earlier start in the same memory, as after a restart of the container. If they are
//! ours, everything that the program wrote there goes too.
//!
//! Each start makes our own folder first, and removes it last. So if our folder is there, a start of this
//! user and its program made everything else.

use sealcrate_stub_start::system::{self, Errno, Folder};
use sealcrate_stub_start::{self as start, Pages};

use crate::failure::{Failure, kept};
use crate::paths::OWN_FOLDER;

/// How many bytes of names are read at once.
const NAMES: usize = 16 << 10;

/// A folder that file systems on disks have by themselves.
const OF_DISKS: &[u8] = b"lost+found";

/// Removes the files of an earlier start.
///
/// # Errors
/// Something else lies there, or something cannot be removed.
pub(crate) fn clear(unlocked: &Folder) -> Result<(), Failure> {
    match unlocked.beneath(OWN_FOLDER) {
        Ok(marker) if marker.descriptor().owner() == Ok(system::user().0) => {
            Sweep::new()?.sweep(unlocked)
        }
        Err(Errno::NO_ENTRY) => {
            let mut buffer = buffer()?;
            let mut names = unlocked.names(&mut buffer).map_err(|error| cannot(b".", error))?;
            match names.find(|name| *name != OF_DISKS) {
                None => Ok(()),
                Some(name) => Err(Failure::NotEmpty { name: kept(name)? }),
            }
        }
        Ok(_) | Err(Errno::ACCESS) => Err(Failure::NotEmpty { name: OWN_FOLDER }),
        Err(error) => Err(Failure::Create { path: OWN_FOLDER, error }),
    }
}

/// Removes everything that this start has made, as far as possible.
pub(crate) fn take_back(unlocked: &Folder) {
    let _ = Sweep::new().and_then(|mut sweep| sweep.sweep(unlocked));
}

#[cold]
#[inline(never)]
fn buffer() -> Result<Pages<u8>, Failure> {
    Ok(Pages::new(NAMES).map_err(|_| start::Failure::Memory("names of files"))?)
}

#[cold]
#[inline(never)]
fn cannot(name: &[u8], error: Errno) -> Failure {
    match kept(name) {
        Ok(name) => Failure::Leftover { name, error },
        Err(failure) => failure,
    }
}

/// Removes folders with everything in them, however deep. It moves inner folders to the outermost one, until
/// no folder has another in it.
struct Sweep {
    names: Pages<u8>,
    /// How many folders were moved.
    moved: u32,
}

impl Sweep {
    #[cold]
    fn new() -> Result<Self, Failure> {
        Ok(Self { names: buffer()?, moved: 0 })
    }

    /// Removes everything in a folder; our own folder last.
    #[cold]
    #[inline(never)]
    fn sweep(&mut self, unlocked: &Folder) -> Result<(), Failure> {
        self.empty(unlocked, OWN_FOLDER)?;
        let mut names = buffer()?;
        while self.pass(unlocked, &mut names)? {}
        let removed = unlocked.remove_folder(OWN_FOLDER);
        removed.map_err(|error| cannot(OWN_FOLDER, error))
    }

    /// Goes over all names once, and tells whether it removed something. It may miss folders that are moved
    /// meanwhile.
    #[cold]
    fn pass(&mut self, unlocked: &Folder, buffer: &mut [u8]) -> Result<bool, Failure> {
        // A folder that was just opened is read from its beginning.
        let folder = unlocked.beneath(b"").map_err(|error| cannot(b".", error))?;
        let mut is_changed = false;
        loop {
            let names = folder.names(buffer).map_err(|error| cannot(b".", error))?;
            if names.is_empty() {
                return Ok(is_changed);
            }
            for name in names.filter(|name| *name != OWN_FOLDER && *name != OF_DISKS) {
                is_changed = true;
                if remove(unlocked, name)? {
                    continue;
                }
                self.empty(unlocked, name)?;
                unlocked.remove_folder(name).map_err(|error| cannot(name, error))?;
            }
        }
    }

    /// Removes or moves everything in a folder that lies in the outermost one.
    #[cold]
    #[inline(never)]
    fn empty(&mut self, unlocked: &Folder, name: &[u8]) -> Result<(), Failure> {
        make_ours(unlocked, name);
        loop {
            // Each change may affect the names that follow, so the names are read from the first again.
            let folder = unlocked.beneath(name).map_err(|error| cannot(name, error))?;
            let mut names = folder.names(&mut self.names).map_err(|error| cannot(name, error))?;
            let mut next = names.next();
            if next.is_none() {
                return Ok(());
            }
            while let Some(inner) = next {
                if !remove(&folder, inner)? {
                    // This user can move only a folder that is its own.
                    make_ours(&folder, inner);
                    self.moved += 1;
                    match folder.move_to(inner, unlocked, &name_of(self.moved)) {
                        Err(Errno::EXISTS) => continue,
                        moved => moved.map_err(|error| cannot(inner, error))?,
                    }
                }
                next = names.next();
            }
        }
    }
}

/// Removes a file or an empty folder. Returns false if it is a folder that cannot be removed, as when it is
/// not empty.
#[cold]
#[inline(never)]
fn remove(folder: &Folder, name: &[u8]) -> Result<bool, Failure> {
    match folder.remove(name) {
        Err(Errno::IS_FOLDER) => Ok(folder.remove_folder(name).is_ok()),
        removed => removed.map(|()| true).map_err(|error| cannot(name, error)),
    }
}

/// Makes this user the owner of a folder and lets the user write to it, as far as possible.
#[cold]
#[inline(never)]
fn make_ours(folder: &Folder, name: &[u8]) {
    let (uid, gid) = system::user();
    let _ = folder.set_owner_of(name, uid, gid);
    let _ = folder.set_mode_of(name, 0o700);
}

/// Returns the name of the moved folder with this number.
fn name_of(number: u32) -> [u8; 18] {
    let mut name = *b".sealcrate--------";
    for (place, digit) in name.iter_mut().rev().zip(0..8_u32) {
        *place = b'a' + (number >> (4 * digit) & 15) as u8;
    }
    name
}
