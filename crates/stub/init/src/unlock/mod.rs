//! Unlocks the payload into files in memory, and becomes the command.

use core::convert::Infallible;

use sealcrate_agefile::AgeFile;
use sealcrate_packfile::Segment;
use sealcrate_packfile::index::{Command, Entry, EntryKind, Index};
use sealcrate_stub_start::system::{self, Errno, Folder};
use sealcrate_stub_start::{self as start, Decoder, Start};

use crate::checked;
use crate::command::Strings;
use crate::command::{become_program, kept};
use crate::failure::Failure;
use crate::payload::{self, IndexBytes};
use crate::unlock_folder::UnlockFolder;
use crate::unlock_folder::leftovers;
use crate::unlock_folder::state;

mod holes;
mod last_folder;
mod layer_writer;
mod owners;
mod workers;

use self::last_folder::LastFolder;
use self::owners::Owners;
use self::workers::Workers;

/// Unlocks the image and becomes its command.
pub(crate) fn run(start: &mut Start) -> Result<Infallible, Failure> {
    let file = payload::open(payload::INDEX)?;
    let file: &'static [u8] = kept(&file)?;
    let Segment { parameters, age } = Segment::parse(file).map_err(start::Failure::Segment)?;
    let age = AgeFile::parse(age).map_err(start::Failure::Header)?;
    let limit = start::check_memory(&parameters)?;
    let file_key = start::file_key(start, &parameters, age.header(), limit)?;
    let mut bytes = IndexBytes::default();
    Decoder::default().decode(age.chunks(&file_key), &mut bytes)?;
    drop(file_key);
    let index = bytes.parse()?;
    checked::check(&index)?;

    let folder = UnlockFolder::open(&index)?;
    let spare = limit.room().map(|room| room.saturating_sub(parameters.needed_mib().into()));
    let workers = Workers::new(spare);
    let clean = || {
        workers.kill();
        leftovers::take_back(&folder.folder);
        folder.remove();
    };
    start::with_cleanup(&clean, || {
        if let Err(failure) = unlock(&index, &folder.folder, &workers) {
            clean();
            return Err(failure);
        }
        system::wipe_stack();
        start.remove_variable(parameters.variable());
        let arguments = arguments(start, &index.command)?;
        become_program(start, &index.command, &arguments)
    })
}

/// Returns the arguments of the command: the image's entrypoint, and then the arguments that the user gave,
/// or else the image's own ones.
#[cold]
#[inline(never)]
fn arguments(start: &Start, command: &Command<'_>) -> Result<Strings, Failure> {
    let given = || start.argument_places().skip(1);
    let own = || {
        let cmd = command.cmd.iter().filter(|_| given().next().is_none());
        command.entrypoint.iter().chain(cmd)
    };
    let count = own().count() + given().count();
    let mut arguments = Strings::new(count, own().map(<[u8]>::len).sum())?;
    own().for_each(|argument| arguments.add_copy(argument));
    given().for_each(|place| arguments.add(place));
    Ok(arguments)
}

/// Makes every entry of the index. When it returns without an error, the whole payload was authentic.
fn unlock(index: &Index<'_>, unlocked: &Folder, workers: &Workers) -> Result<(), Failure> {
    let ours = |error| Failure::Create { path: state::FOLDER, error };
    unlocked.make_folder(state::FOLDER, 0o700).map_err(ours)?;
    let mut folders = LastFolder::new(unlocked);
    for entry in index.entries().filter(|entry| entry.kind == EntryKind::Folder) {
        if !entry.path.is_empty() {
            let (folder, name) = folders.of(entry.path)?;
            folder.make_folder(name, 0o700).map_err(|error| cannot(entry.path, error))?;
        }
    }
    let owners = Owners::new();
    workers.write_contents(index, unlocked, &owners)?;
    for entry in index.entries() {
        if !matches!(entry.kind, EntryKind::File { .. } | EntryKind::Folder) {
            let made = make(&mut folders, &owners, &entry)?;
            made.map_err(|error| cannot(entry.path, error))?;
        }
    }
    each_folder(index, |entry| {
        let folder = unlocked.beneath(entry.path);
        let set = folder.and_then(|folder| owners.set(folder.descriptor(), &entry.properties));
        set.map_err(|error| cannot(entry.path, error))
    })?;
    owners.tell();
    state::write(unlocked, index.encoded_command).map_err(ours)
}

/// Makes something that is neither a file with content nor a folder.
#[inline(never)]
fn make<'i>(
    folders: &mut LastFolder<'_, 'i>,
    owners: &Owners,
    entry: &Entry<'i>,
) -> Result<Result<(), Errno>, Failure> {
    let properties = &entry.properties;
    let unlocked = folders.unlocked;
    let (folder, name) = folders.of(entry.path)?;
    let made = match entry.kind {
        EntryKind::HardLink(target) => {
            let (from, other) = split(target);
            let from = unlocked.beneath(from).map_err(|error| cannot(target, error))?;
            return Ok(owners.link((&from, other), (folder, name), properties));
        }
        EntryKind::Symlink(target) => {
            let made = folder.make_symlink(target, name);
            // The link leads back to a clear file. Nobody looks at the link's own time and owner.
            if target.strip_prefix(b"/") == Some(entry.path) {
                return Ok(made);
            }
            made
        }
        _ => folder.make_pipe(name).and_then(|()| folder.set_mode_of(name, properties.mode)),
    };
    Ok(made.and_then(|()| owners.set_of(folder, name, properties)))
}

/// Calls `call` for each folder except the outermost one, and for the deepest folders first.
fn each_folder<'i>(
    index: &Index<'i>,
    mut call: impl FnMut(Entry<'i>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let depth = |entry: &Entry<'_>| entry.path.iter().filter(|byte| **byte == b'/').count();
    let folders =
        index.entries().filter(|entry| entry.kind == EntryKind::Folder && !entry.path.is_empty());
    let Some(deepest) = folders.clone().map(|entry| depth(&entry)).max() else { return Ok(()) };
    for level in (0..=deepest).rev() {
        folders.clone().filter(|entry| depth(entry) == level).try_for_each(&mut call)?;
    }
    Ok(())
}

/// Splits a path into the folder and the name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Returns the failure to make the file at a path.
#[cold]
#[inline(never)]
pub(crate) fn cannot(path: &[u8], error: Errno) -> Failure {
    match kept(path) {
        Ok(path) => Failure::Create { path, error },
        Err(failure) => failure,
    }
}
