//! Workers: up to as many processes as there are cores unlock the contents of private files.
//!
//! If there are n processes, each takes every nth part. The first process makes the files that several parts
//! fill, and gives them their properties at the end. Only one process tells why it failed.

use core::sync::atomic::{AtomicUsize, Ordering};

use sealcrate_packfile::index::{EntryKind, Index};
use sealcrate_stub_start::system::{self, Child, Folder};
use sealcrate_stub_start::{self as start, Decoder, Tell as _};

use crate::failure::{Failure, cannot_create};
use crate::payload;
use crate::unlock::last_folder::LastFolder;
use crate::unlock::layer_writer::LayerWriter;
use crate::unlock::owners::Owners;
use crate::unlock::piece::{cut_files, pieces};
use crate::unlock_folder::state;

/// The exit status of a process that wrote its share, and could not give all files away.
const NOT_GIVEN: u8 = 200;

/// The largest number of processes.
const MAX_WORKERS: usize = 16;

/// The memory that a further process takes, in MiB. The decoder's window takes most of it.
const WORKER_MIB: u64 = 12;

/// The processes that share the work of this one.
pub(crate) struct Workers {
    /// The numbers of the running children; 0 stands for none.
    children: [AtomicUsize; MAX_WORKERS],
    /// The memory for further processes, in MiB, if memory is limited.
    spare: Option<u64>,
}

impl Workers {
    /// Prepares for as many processes as `spare` MiB of memory allow.
    pub(crate) fn new(spare: Option<u64>) -> Self {
        Self { children: [const { AtomicUsize::new(0) }; MAX_WORKERS], spare }
    }

    /// Writes the contents of all files.
    pub(crate) fn write_contents(
        &self,
        index: &Index<'_>,
        unlocked: &Folder,
        owners: &Owners,
    ) -> Result<(), Failure> {
        make_cut_files(index, unlocked)?;
        let workers = self.count(pieces(index).count());
        // This process writes the first share, and the share of each child that cannot be made.
        let mut written = Ok(());
        for number in (0..workers).rev() {
            let share = || write_share(index, unlocked, owners, (number, workers));
            let child = if number == 0 { None } else { system::fork().ok() };
            match child {
                Some(Some(child)) => self.children[number].store(child.0, Ordering::SeqCst),
                Some(None) => end_child(share, unlocked, owners),
                None if written.is_ok() => written = share(),
                None => {}
            }
        }
        let written = written.map_err(|failure| told_once(failure, unlocked));
        let ended = self.wait(written.is_err(), owners);
        written.and(ended)?;
        finish_cut_files(index, unlocked, owners)
    }

    /// Returns how many processes share the work.
    fn count(&self, pieces: usize) -> usize {
        let affordable = self.spare.map_or(usize::MAX, |mib| (mib / WORKER_MIB) as usize);
        system::cores().min(affordable.saturating_add(1)).clamp(1, pieces.clamp(1, MAX_WORKERS))
    }

    /// Waits for all children. Once a child has failed, ends the children that still run.
    fn wait(&self, mut has_failed: bool, owners: &Owners) -> Result<(), Failure> {
        let mut written = Ok(());
        for running in &self.children {
            let child = Child(running.load(Ordering::SeqCst));
            if child.0 == 0 {
                continue;
            }
            if has_failed {
                child.kill();
            }
            let status = child.wait();
            // Nobody may use the number any more: it may become another process's.
            running.store(0, Ordering::SeqCst);
            if status == NOT_GIVEN {
                owners.note_refusal();
            } else if status != 0 && !has_failed {
                has_failed = true;
                written = Err(Failure::Told(status));
            }
        }
        written
    }

    /// Ends all children at once.
    pub(crate) fn kill(&self) {
        let running = self.children.iter().map(|child| child.swap(0, Ordering::SeqCst));
        for child in running.filter(|child| *child != 0).map(Child) {
            child.kill();
            child.wait();
        }
    }
}

/// Writes a child's share, tells why that failed, and ends the child.
fn end_child(share: impl FnOnce() -> Result<(), Failure>, unlocked: &Folder, owners: &Owners) -> ! {
    start::leave_ends_to_parent();
    let status = match share().map_err(|failure| told_once(failure, unlocked)) {
        Ok(()) if owners.has_refused() => NOT_GIVEN,
        Ok(()) => 0,
        Err(Failure::Told(status)) => status,
        Err(failure) => start::end(&failure),
    };
    system::exit(status)
}

/// Returns the failure, or only its status if another process has told of a failure.
fn told_once(failure: Failure, unlocked: &Folder) -> Failure {
    if state::is_first_failure(unlocked) { failure } else { Failure::Told(failure.status()) }
}

/// Writes the contents in every part whose number leaves the remainder `share` when divided by `shares`.
fn write_share(
    index: &Index<'_>,
    unlocked: &Folder,
    owners: &Owners,
    (share, shares): (usize, usize),
) -> Result<(), Failure> {
    let files = || index.entries().filter(|entry| matches!(entry.kind, EntryKind::File { .. }));
    let (mut left, mut decoder) = (files().peekable(), Decoder::default());
    for (piece, part, identity) in pieces(index).skip(share).step_by(shares) {
        while left.next_if(|entry| piece.is_behind(entry)).is_some() {}
        let entries = left.clone().take_while(|entry| piece.has(entry));
        let file = payload::open_part(&part.header)?;
        let chunks = payload::chunks(&file, &part.header, identity)?;
        if entries.clone().next().is_none() {
            payload::authenticate(chunks)?;
            continue;
        }
        let mut writer = LayerWriter::new(unlocked, owners, entries, piece);
        decoder.decode(chunks, &mut writer)?;
        writer.finish()?;
    }
    Ok(())
}

fn make_cut_files(index: &Index<'_>, unlocked: &Folder) -> Result<(), Failure> {
    let mut folders = LastFolder::new(unlocked);
    cut_files(index).try_for_each(|entry| {
        let (folder, name) = folders.of(entry.path)?;
        folder.make_file(name).map(drop).map_err(|error| cannot_create(entry.path, error))
    })
}

fn finish_cut_files(index: &Index<'_>, unlocked: &Folder, owners: &Owners) -> Result<(), Failure> {
    let mut folders = LastFolder::new(unlocked);
    cut_files(index).try_for_each(|entry| {
        let (folder, name) = folders.of(entry.path)?;
        let file = folder.open_file(name);
        file.and_then(|file| owners.set(file.descriptor(), &entry.properties))
            .map_err(|error| cannot_create(entry.path, error))
    })
}
