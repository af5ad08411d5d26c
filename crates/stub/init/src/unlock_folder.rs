//! The folder that private files are unlocked in: it has to be memory, and nothing may be mounted in
//! it.

use sealcrate_packfile::index::{Index, Needs, UnlockOn};
use sealcrate_stub_start::system::{self, Errno, File, Folder};
use sealcrate_stub_start::{self as start, Pages};

use crate::failure::{Advice, Failure};

/// Where it is.
pub(crate) const UNLOCK_FOLDER: &str = "/dev/sealcrate";

/// Where that is, and what it is called there.
const PARENT: &[u8] = b"/dev";
const NAME: &[u8] = b"sealcrate";

/// The kinds of file systems that are memory. statfs(2).
const TMPFS: u32 = 0x0102_1994;
const RAMFS: u32 = 0x8584_58f6;

/// How many files a program may make later where their number has to be advised.
const MORE_FILES: u64 = 1000;

/// The longest list of mounts that is read, in bytes.
const MAX_MOUNTS: usize = 4 << 20;

/// The folder, open.
pub(crate) struct UnlockFolder {
    pub(crate) folder: Folder,
    parent: Folder,
    is_made: bool,
}

impl UnlockFolder {
    /// Opens the folder, or makes it, and checks that all of the index can be unlocked there.
    pub(crate) fn open(index: &Index<'_>) -> Result<Self, Failure> {
        check_mounts()?;
        let needs = Needs::of(index);
        let no_folder = |error| Failure::NoFolder { error, advice: advice(&needs) };
        let parent = Folder::open(PARENT).map_err(no_folder)?;
        let (folder, is_made) = match parent.child(NAME) {
            Err(Errno::NO_ENTRY) => {
                if index.unlock_on == UnlockOn::Memory {
                    check_is_memory(&parent, &needs)?;
                }
                parent.make_folder(NAME, 0o755).map_err(no_folder)?;
                (parent.child(NAME).map_err(no_folder)?, true)
            }
            found => (found.map_err(no_folder)?, false),
        };
        let opened = Self { folder, parent, is_made };
        let checked = opened.check(index, &needs);
        if checked.is_err() {
            opened.remove();
        }
        checked.map(|()| opened)
    }

    fn check(&self, index: &Index<'_>, needs: &Needs) -> Result<(), Failure> {
        if index.unlock_on == UnlockOn::Memory {
            check_is_memory(&self.folder, needs)?;
        } else if check_is_memory(&self.folder, needs).is_ok() {
            // Before there was a key, nobody knew where it would be.
            start::check_memory_for(needs.memory())?;
        }
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
            // Whatever was withheld when it was made.
            self.folder.descriptor().set_mode(0o755).map_err(no_folder)?;
        }
        Ok(())
    }

    /// Removes the folder, if it was made here and is empty.
    pub(crate) fn remove(&self) {
        if self.is_made {
            let _ = self.parent.remove_folder(NAME);
        }
    }
}

/// Returns the option that gives what is needed.
fn advice(needs: &Needs) -> Advice {
    Advice { mib: needs.advised_mib(), is_root: system::user().0 == 0 }
}

fn check_is_memory(folder: &Folder, needs: &Needs) -> Result<(), Failure> {
    let no_folder = |error| Failure::NoFolder { error, advice: advice(needs) };
    let kind = folder.file_system().map_err(no_folder)?.kind;
    if kind == TMPFS || kind == RAMFS { Ok(()) } else { Err(Failure::NotMemory(advice(needs))) }
}

/// Looks for what is mounted in the folder, be it seen or hidden beneath another mount. proc(5),
/// `/proc/PID/mountinfo`. Where that cannot be read, each folder is opened so that it tells.
fn check_mounts() -> Result<(), Failure> {
    let Ok(file) = File::open(b"/proc/self/mountinfo") else { return Ok(()) };
    let mut text =
        Pages::new(MAX_MOUNTS).map_err(|_| start::Failure::Memory("the list of mounts"))?;
    let mut len = 0;
    while let Ok(count @ 1..) = file.descriptor().read(&mut text[len..]) {
        len += count;
    }
    // It is no secret, and wiping it would take up all of that memory.
    let text = text.leak();
    for line in text[..len].split(|byte| *byte == b'\n') {
        let place = line.split(|byte| *byte == b' ').nth(4).unwrap_or_default();
        let inside = place.strip_prefix(UNLOCK_FOLDER.as_bytes());
        if inside.is_some_and(|inside| inside.starts_with(b"/")) {
            let path = unescaped(place)?;
            return Err(match Folder::open(path) {
                Err(Errno::NOT_A_DIRECTORY) => Failure::MountedFile { path },
                _ => Failure::Mount { path },
            });
        }
    }
    Ok(())
}

/// Copies a path out of the list of mounts, in which some bytes are octal numbers.
fn unescaped(place: &[u8]) -> Result<&'static [u8], Failure> {
    let mut path =
        Pages::new(place.len()).map_err(|_| start::Failure::Memory("the list of mounts"))?;
    let (mut rest, mut len) = (place, 0);
    while let Some((first, after)) = rest.split_first() {
        let number = after.first_chunk::<3>().filter(|_| *first == b'\\');
        (path[len], rest) = match number {
            Some(digits) => {
                let number = digits.iter().fold(0_u8, |number, digit| {
                    number.wrapping_mul(8).wrapping_add(digit.wrapping_sub(b'0'))
                });
                (number, &after[digits.len()..])
            }
            None => (*first, after),
        };
        len += 1;
    }
    Ok(&path.leak()[..len])
}
