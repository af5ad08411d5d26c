//! A program in a folder, under its own name and with the files beside it, for programs that look for their
//! own file.
//!
//! The folder has to be a mount of its own in memory. Each file has a name that nobody looks for, until the
//! whole payload is authentic.

use core::ffi::CStr;

use sealcrate_packfile::{
    FOLDER_PREFIX, FolderEntries, FolderEntry, FolderHead, FolderKind, folder_head_len,
};
use sealcrate_stub_start::system::{self, Errno, File, Folder, Text};
use sealcrate_stub_start::{self as start, Mounts, Pages, Start};

use crate::failure::{Advice, Failure};

/// The longest target of a link, in bytes.
const MAX_TARGET: usize = 4096;

/// The beginning of the names of unfinished files. The numbers of the process and of the entry follow it.
const UNFINISHED: &[u8] = b".sealcrate.";

/// The size of a page of a file in memory, in bytes.
const PAGE: u64 = 4096;

/// A program that is being put into a folder.
pub(crate) enum InFolder {
    /// The part of the head that has come, and its length in bytes.
    Head(Pages<u8>, usize),
    /// The whole head has come, and the folder is open.
    Open(Opened),
}

/// The folder that a program is put into.
pub(crate) struct Opened {
    head: FolderHead<'static>,
    path: &'static [u8],
    folder: Folder,
    /// The entries after the one that is being written.
    entries: FolderEntries<'static>,
    /// The entry that is being written, its number, and how much of its content is missing.
    entry: Option<FolderEntry<'static>>,
    at: usize,
    missing: u64,
    file: Option<File>,
    target: Pages<u8>,
    target_len: usize,
}

impl InFolder {
    /// Makes room for the head that begins with `bytes`.
    pub(crate) fn begin(bytes: &[u8]) -> Result<Self, Failure> {
        let prefix = bytes.first_chunk::<FOLDER_PREFIX>();
        let len = prefix.and_then(|prefix| folder_head_len(*prefix).ok()).ok_or(DAMAGED)?;
        Ok(Self::Head(pages(len)?, 0))
    }

    /// Takes the next bytes.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        if let Self::Head(head, filled) = self {
            let count = bytes.len().min(head.len() - *filled);
            let (taken, rest) = bytes.split_at(count);
            head[*filled..][..count].copy_from_slice(taken);
            *filled += count;
            bytes = rest;
            if *filled < head.len() {
                return Ok(());
            }
            let opened = Opened::of(kept(head)?)?;
            *self = Self::Open(opened);
        }
        match self {
            Self::Open(opened) => opened.write(bytes),
            Self::Head(..) => Ok(()),
        }
    }

    /// Gives every entry its final name, and becomes the program. Returns only if that fails.
    #[inline(never)]
    pub(crate) fn run(self, start: &mut Start) -> Failure {
        let Self::Open(opened) = self else { return DAMAGED.into() };
        let failure = match opened.place() {
            Ok(path) => {
                start.set_first_argument(path);
                let (arguments, environment) = start.lists();
                // SAFETY: `Start::lists` returns such lists.
                match unsafe { system::execute(path, arguments, environment) } {
                    Errno::NO_ENTRY => Failure::Loader,
                    error => Failure::Execute(error),
                }
            }
            Err(failure) => failure,
        };
        opened.remove_unfinished();
        opened
            .head
            .entries()
            .filter(is_content)
            .for_each(|entry| remove(&opened.folder, entry.path));
        failure
    }

    /// Removes the unfinished files. The files of an earlier start stay.
    pub(crate) fn discard(&self) {
        if let Self::Open(opened) = self {
            opened.remove_unfinished();
        }
    }
}

impl Opened {
    /// Checks the folder that a head names, and begins with the first entry.
    #[inline(never)]
    fn of(head: &'static [u8]) -> Result<Self, Failure> {
        let head = FolderHead::parse(head).map_err(|_| DAMAGED)?;
        let pages = |entry: FolderEntry<'_>| entry.len.div_ceil(PAGE).saturating_mul(PAGE);
        let needed = head.entries().map(pages).fold(0, u64::saturating_add);
        let folder = checked(&head, needed)?;
        let (path, entries) = (head.path(), head.entries());
        let target = self::pages(MAX_TARGET)?;
        let mut opened = Self {
            head,
            path,
            folder,
            entries,
            entry: None,
            at: 0,
            missing: 0,
            file: None,
            target,
            target_len: 0,
        };
        opened.begin_entry()?;
        opened.go_on()?;
        Ok(opened)
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let count = usize::try_from(self.missing).unwrap_or(usize::MAX).min(bytes.len());
            if count == 0 {
                return Err(DAMAGED.into());
            }
            let (taken, rest) = bytes.split_at(count);
            match &self.file {
                Some(file) => {
                    file.descriptor().write(taken).map_err(|error| self.cannot(error))?;
                }
                None => {
                    let place = self.target.get_mut(self.target_len..);
                    let place = place.and_then(|place| place.get_mut(..count)).ok_or(DAMAGED)?;
                    place.copy_from_slice(taken);
                    self.target_len += count;
                }
            }
            self.missing -= count as u64;
            bytes = rest;
            self.go_on()?;
        }
        Ok(())
    }

    /// Finishes entries that are complete, and begins the next one.
    #[inline(never)]
    fn go_on(&mut self) -> Result<(), Failure> {
        while let (0, Some(entry)) = (self.missing, self.entry) {
            if entry.kind == FolderKind::Link {
                let target = &self.target[..self.target_len];
                let made = self.folder.make_symlink(target, unfinished(self.at).bytes());
                made.map_err(|error| self.cannot(error))?;
            }
            self.file = None;
            self.at += 1;
            self.begin_entry()?;
        }
        Ok(())
    }

    #[inline(never)]
    fn begin_entry(&mut self) -> Result<(), Failure> {
        self.entry = self.entries.next();
        let Some(entry) = self.entry else { return Ok(()) };
        (self.missing, self.target_len) = (entry.len, 0);
        let name = unfinished(self.at);
        if is_content(&entry) {
            // An earlier process with the same number may have left the file.
            let _ = self.folder.remove(name.bytes());
        }
        if entry.kind == FolderKind::File {
            let made = self.folder.make_file(name.bytes()).and_then(|file| {
                let is_program = if self.at == 0 { 0o500 } else { 0 };
                file.descriptor().set_mode(entry.mode | is_program)?;
                Ok(file)
            });
            self.file = Some(made.map_err(|error| self.cannot(error))?);
        }
        Ok(())
    }

    /// Gives every entry its final name, and returns the path of the program.
    #[inline(never)]
    fn place(&self) -> Result<&'static CStr, Failure> {
        if self.entry.is_some() {
            return Err(DAMAGED.into());
        }
        let cannot = |error| self.cannot(error);
        for (at, entry) in self.head.entries().enumerate() {
            let (above, name) = split(entry.path);
            let above = self.folder.beneath(above).map_err(cannot)?;
            let placed = match entry.kind {
                FolderKind::Folder => match above.make_folder(name, 0o700) {
                    Ok(()) | Err(Errno::EXISTS) => above.set_mode_of(name, entry.mode | 0o700),
                    Err(error) => Err(error),
                },
                FolderKind::File | FolderKind::Link => {
                    self.folder.rename(unfinished(at).bytes(), &above, name)
                }
            };
            placed.map_err(cannot)?;
        }
        let program = self.head.entries().next().ok_or(DAMAGED)?.path;
        let path = Text::of(&[self.path, b"/", program]).map_err(cannot)?;
        let path = kept(path.as_c_str().to_bytes_with_nul())?;
        CStr::from_bytes_with_nul(path).map_err(|_| start::Failure::Defect.into())
    }

    fn remove_unfinished(&self) {
        for at in 0..=self.at {
            let _ = self.folder.remove(unfinished(at).bytes());
        }
    }

    fn cannot(&self, error: Errno) -> Failure {
        Failure::Folder { path: self.path, error }
    }
}

/// Opens the folder that a head names. Fails if the folder has less room than `needed` bytes, or if others
/// can change files there.
#[inline(never)]
fn checked(head: &FolderHead<'static>, needed: u64) -> Result<Folder, Failure> {
    let path = head.path();
    let advice = Advice { path, mib: needed.div_ceil(1 << 20) + 1 };
    let failed = |error| Failure::Folder { path, error };
    let not_own = Failure::NotOwnMemory { advice };
    let folder = match Folder::open(path) {
        Err(Errno::NO_ENTRY) => return Err(not_own),
        found => found.map_err(failed)?,
    };
    // The files on another mount may be the host's, and would stay when the container ends.
    if !Mounts::read()?.at(path, &folder).is_some_and(|mount| mount.is_whole_memory()) {
        return Err(not_own);
    }
    let found = folder.file_system().map_err(failed)?;
    if !found.executes {
        return Err(Failure::NoExecute { advice });
    }
    let (owner, mode) = folder.descriptor().owner_and_mode().map_err(failed)?;
    let is_ours = owner == 0 || owner == system::user().0;
    // If others may write to the folder, only the sticky bit keeps them from our files.
    if !is_ours || (mode & 0o022 != 0 && mode & 0o1000 == 0) {
        return Err(Failure::OthersWrite(path));
    }
    let free = || folder.file_system().map(|found| found.free_bytes.unwrap_or(u64::MAX));
    if free().map_err(failed)? < needed {
        // An earlier start may have left its files.
        head.entries().filter(is_content).for_each(|entry| remove(&folder, entry.path));
        let free = free().map_err(failed)?;
        if free < needed {
            return Err(Failure::Room { free: free >> 20, advice });
        }
    }
    Ok(folder)
}

/// The content is authentic, but no packer writes such content.
const DAMAGED: start::Failure = start::Failure::Content("it holds no folder that can be made");

/// The name of an unfinished file.
struct Name([u8; 40], usize);

impl Name {
    fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

#[inline(never)]
fn unfinished(at: usize) -> Name {
    let mut name = Name([0; 40], 0);
    let (mut process, mut number) = ([0; 10], [0; 10]);
    let process = system::decimal(system::process_id(), &mut process);
    let number = system::decimal(at as u32, &mut number);
    for part in [UNFINISHED, process, b".", number] {
        name.0[name.1..][..part.len()].copy_from_slice(part);
        name.1 += part.len();
    }
    name
}

/// Tells whether an entry has content after the head.
fn is_content(entry: &FolderEntry<'_>) -> bool {
    entry.kind != FolderKind::Folder
}

/// Removes a file, if it is there.
fn remove(folder: &Folder, path: &[u8]) {
    let (above, name) = split(path);
    let _ = folder.beneath(above).and_then(|above| above.remove(name));
}

/// Splits a path into the folder and the name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn pages(len: usize) -> Result<Pages<u8>, Failure> {
    Ok(Pages::new(len.max(1)).map_err(|_| start::Failure::Memory("a list of files"))?)
}

/// Copies a text into memory that stays until the process ends.
fn kept(text: &[u8]) -> Result<&'static [u8], Failure> {
    let mut pages = pages(text.len())?;
    pages[..text.len()].copy_from_slice(text);
    Ok(&pages.leak()[..text.len()])
}
