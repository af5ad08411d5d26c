//! The files of a layout, wherever they lie.

use std::io::Read;
use std::sync::Arc;

use super::LayoutError;
use crate::Content;

/// The files of a layout.
pub(crate) trait Files: Send + Sync {
    /// Returns the file `name`. It looks for the file only when the file is opened.
    fn file(&self, name: &str) -> Arc<dyn Content>;
}

/// Reads a small file whole.
///
/// # Errors
/// No such file; more than `max` bytes.
pub(super) fn read_whole(
    files: &dyn Files,
    name: &'static str,
    max: u64,
) -> Result<Vec<u8>, LayoutError> {
    let mut bytes = Vec::new();
    files
        .file(name)
        .open()
        .and_then(|file| file.take(max + 1).read_to_end(&mut bytes))
        .map_err(|source| LayoutError::Io { path: name.into(), source })?;
    if bytes.len() as u64 > max {
        return Err(LayoutError::TooLarge(name));
    }
    Ok(bytes)
}
