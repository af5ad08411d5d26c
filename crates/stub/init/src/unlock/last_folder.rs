//! The folder of the last entry, kept open: entries of one folder follow each other.

use sealcrate_stub_start::system::Folder;

use crate::failure::{Failure, cannot_create};

/// The unlock folder, and the folder in it that is open.
pub(crate) struct LastFolder<'f, 'i> {
    pub(crate) unlocked: &'f Folder,
    last: Option<(&'i [u8], Folder)>,
}

impl<'f, 'i> LastFolder<'f, 'i> {
    pub(crate) fn new(unlocked: &'f Folder) -> Self {
        Self { unlocked, last: None }
    }

    /// Returns the folder that a path lies in, and the name there.
    #[inline(never)]
    pub(crate) fn of(&mut self, path: &'i [u8]) -> Result<(&Folder, &'i [u8]), Failure> {
        let (folder, name) = split(path);
        let opened = match self.last.take() {
            Some((last, opened)) if last == folder => opened,
            _ => self.unlocked.beneath(folder).map_err(|error| cannot_create(folder, error))?,
        };
        let (_, opened) = self.last.insert((folder, opened));
        Ok((opened, name))
    }
}

/// Splits a path into the folder and the name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}
