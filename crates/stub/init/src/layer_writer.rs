//! The files of one private layer, written as its tar file is decompressed.

use core::iter::Peekable;

use sealcrate_packfile::index::{Entry, EntryKind};
use sealcrate_stub_start::system::{File, Folder};
use sealcrate_stub_start::{self as start, Sink};

use crate::failure::Failure;
use crate::last_folder::LastFolder;
use crate::owners::Owners;
use crate::unlock::cannot;

/// Takes a tar file, and writes those parts of it that are contents.
pub(crate) struct LayerWriter<'f, 'i, I: Iterator<Item = Entry<'i>>> {
    folders: LastFolder<'f, 'i>,
    entries: Peekable<I>,
    /// The file that is being written, and where its content ends.
    open: Option<(Entry<'i>, File, u64)>,
    at: u64,
    owners: &'f Owners,
}

impl<'f, 'i, I: Iterator<Item = Entry<'i>>> LayerWriter<'f, 'i, I> {
    /// Writes the files of one layer, which come in the order of their contents.
    pub(crate) fn new(unlocked: &'f Folder, owners: &'f Owners, entries: I) -> Self {
        let entries = entries.peekable();
        let folders = LastFolder::new(unlocked);
        Self { folders, entries, open: None, at: 0, owners }
    }

    /// Opens the next file, if its content begins here.
    fn open_next(&mut self) -> Result<(), Failure> {
        while self.open.is_none() {
            let Some(Entry { kind: EntryKind::File { offset, len, .. }, .. }) = self.entries.peek()
            else {
                return Ok(());
            };
            let end = offset + len;
            if *offset > self.at {
                return Ok(());
            }
            let Some(entry) = self.entries.next() else { return Ok(()) };
            let (folder, name) = self.folders.of(entry.path)?;
            let file = folder.make_file(name).map_err(|error| cannot(entry.path, error))?;
            self.open = Some((entry, file, end));
            self.close_finished()?;
        }
        Ok(())
    }

    /// Closes the file that is open, if all of it is written.
    fn close_finished(&mut self) -> Result<(), Failure> {
        if let Some((entry, file, _)) = self.open.take_if(|(_, _, end)| *end == self.at) {
            self.owners
                .set(file.descriptor(), &entry.properties)
                .map_err(|error| cannot(entry.path, error))?;
        }
        Ok(())
    }

    /// Checks that nothing is missing.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.open_next()?;
        match (self.open, self.entries.next()) {
            (None, None) => Ok(()),
            _ => Err(start::Failure::Content("a layer ends too early").into()),
        }
    }
}

impl<'i, I: Iterator<Item = Entry<'i>>> Sink for LayerWriter<'_, 'i, I> {
    type Error = Failure;

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            self.open_next()?;
            let until = match (&self.open, self.entries.peek()) {
                (Some((_, _, end)), _) => *end,
                (None, Some(Entry { kind: EntryKind::File { offset, .. }, .. })) => *offset,
                (None, _) => u64::MAX,
            };
            let count = usize::try_from(until - self.at).unwrap_or(usize::MAX).min(bytes.len());
            let (taken, rest) = bytes.split_at(count);
            if let Some((entry, file, _)) = &self.open {
                let written = file.descriptor().write(taken);
                written.map_err(|error| cannot(entry.path, error))?;
            }
            self.at += count as u64;
            self.close_finished()?;
            bytes = rest;
        }
        Ok(())
    }
}
