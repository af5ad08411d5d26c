//! Paths of a locked image: relative to its root, with nothing in them that leads elsewhere.

use crate::index::IndexError;

/// The longest path, in bytes. With the unlock folder before it, the kernel still takes it.
const MAX_PATH: usize = 4000;

/// The longest name, in bytes.
pub(super) const MAX_NAME: usize = 255;

/// The folder in which the init keeps its own files. No entry may be in it.
const OURS: &[u8] = b".sealcrate";

/// Refuses every path that might lead out of the unlock folder.
pub(super) fn check_path(path: &[u8]) -> Result<(), IndexError> {
    let mut names = path.split(|byte| *byte == b'/');
    let leads_elsewhere = |name: &[u8]| {
        matches!(name, b"" | b"." | b"..") || name.len() > MAX_NAME || name.contains(&0)
    };
    if path.len() > MAX_PATH || names.clone().any(leads_elsewhere) || names.next() == Some(OURS) {
        return Err(IndexError("a path leads elsewhere"));
    }
    Ok(())
}
