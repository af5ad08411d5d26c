//! Checks clear layers: a file that runs or is linked before the command's first instruction has to be the
//! locked one.
//!
//! The checks cannot keep a stranger from exchanging this program itself. See `docs/threat-model.md`.

use sealcrate_packfile::index::{Check, CheckKind, Index, content_digest};
use sealcrate_stub_start::system::{self, Errno, Mapped, Status};

use crate::failure::{Failure, kept};

/// The kinds of files. inode(7).
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// The permissions, set-ID and sticky bits.
const PERMISSIONS: u32 = 0o7777;

/// The permission of everybody to read.
const READABLE: u32 = 0o4;

/// Checks every path that the index names.
pub(crate) fn check(index: &Index<'_>) -> Result<(), Failure> {
    for check in index.checks() {
        if let Err(what) = compare(&check) {
            return Err(Failure::Exchanged { path: kept(check.path)?, what });
        }
    }
    Ok(())
}

/// Compares the file at a path with the locked one. The error names the difference.
fn compare(check: &Check<'_>) -> Result<(), &'static str> {
    let status = match Status::of(check.path) {
        Ok(status) => status,
        // This user can neither run nor link a file that it cannot reach.
        Err(Errno::ACCESS) => return Ok(()),
        Err(_) if check.kind == CheckKind::Nothing => return Ok(()),
        Err(_) => return Err("it is missing"),
    };
    let is_same = match check.kind {
        CheckKind::Nothing => return Err("nothing was there"),
        CheckKind::Folder => status.is(FOLDER),
        CheckKind::Link(target) => system::link_says(check.path, target) == Ok(true),
        CheckKind::File { mode, .. } => status.is(FILE) && status.mode & PERMISSIONS == mode,
    };
    if !is_same {
        return Err("its kind, permissions or target are others");
    }
    let CheckKind::File { mode, len, digest } = check.kind else { return Ok(()) };
    // A file of another length is not read at all.
    let is_same = status.len == len
        && match Mapped::open_at_root(check.path) {
            Ok(content) => content_digest(&content) == digest,
            // This user may execute such a file all the same.
            Err(Errno::ACCESS) => mode & READABLE == 0,
            Err(_) => false,
        };
    if is_same { Ok(()) } else { Err("its content is another") }
}
