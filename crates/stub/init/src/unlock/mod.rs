//! Unlocks the payload into files in memory.

mod holes;
mod last_folder;
mod layer_writer;
mod owners;
mod piece;
mod workers;

use sealcrate_packfile::index::{Entry, EntryKind, Index};
use sealcrate_stub_start::system::{Errno, Folder};

use self::last_folder::{LastFolder, split};
use self::owners::Owners;
pub(crate) use self::workers::Workers;
use crate::failure::{Failure, cannot_create};
use crate::paths::OWN_FOLDER;
use crate::unlock_folder::state;

/// Makes every entry of the index. When it returns without an error, the whole payload was authentic.
pub(crate) fn unlock(
    index: &Index<'_>,
    unlocked: &Folder,
    workers: &Workers,
) -> Result<(), Failure> {
    let ours = |error| Failure::Create { path: OWN_FOLDER, error };
    unlocked.make_folder(OWN_FOLDER, 0o700).map_err(ours)?;
    let mut folders = LastFolder::new(unlocked);
    for entry in index.entries().filter(|entry| entry.kind == EntryKind::Folder) {
        if !entry.path.is_empty() {
            let (folder, name) = folders.of(entry.path)?;
            folder.make_folder(name, 0o700).map_err(|error| cannot_create(entry.path, error))?;
        }
    }
    let owners = Owners::new();
    workers.write_contents(index, unlocked, &owners)?;
    for entry in index.entries() {
        if !matches!(entry.kind, EntryKind::File { .. } | EntryKind::Folder) {
            let made = make(&mut folders, &owners, &entry)?;
            made.map_err(|error| cannot_create(entry.path, error))?;
        }
    }
    each_folder(index, |entry| {
        let folder = unlocked.beneath(entry.path);
        let set = folder.and_then(|folder| owners.set(folder.descriptor(), &entry.properties));
        set.map_err(|error| cannot_create(entry.path, error))
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
            let from = unlocked.beneath(from).map_err(|error| cannot_create(target, error))?;
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
