//! The files of one part of a private layer, written as the part is decompressed.

use core::iter::Peekable;

use sealcrate_packfile::index::{Entry, EntryKind};
use sealcrate_stub_start::system::{File, Folder};
use sealcrate_stub_start::{self as start, Sink};

use crate::failure::{Failure, cannot_create};
use crate::unlock::holes;
use crate::unlock::last_folder::LastFolder;
use crate::unlock::owners::Owners;
use crate::unlock::piece::Piece;

/// Takes a part of a tar file, and writes the contents of the files in it.
pub(crate) struct LayerWriter<'f, 'i, I: Iterator<Item = Entry<'i>>> {
    folders: LastFolder<'f, 'i>,
    entries: Peekable<I>,
    piece: Piece,
    /// The file that is being written, and where its content ends.
    open: Option<(Entry<'i>, File, u64)>,
    at: u64,
    owners: &'f Owners,
}

impl<'f, 'i, I: Iterator<Item = Entry<'i>>> LayerWriter<'f, 'i, I> {
    /// Writes the files of one part, which come in the order of their contents.
    pub(crate) fn new(unlocked: &'f Folder, owners: &'f Owners, entries: I, piece: Piece) -> Self {
        let (entries, folders) = (entries.peekable(), LastFolder::new(unlocked));
        Self { folders, entries, piece, open: None, at: piece.start, owners }
    }

    /// Opens the next file, if its content begins here.
    fn open_next(&mut self) -> Result<(), Failure> {
        while self.open.is_none() {
            let Some(Entry { kind: EntryKind::File { offset, len, .. }, .. }) = self.entries.peek()
            else {
                return Ok(());
            };
            let (offset, end) = (*offset, offset + len);
            if offset > self.at {
                return Ok(());
            }
            let Some(entry) = self.entries.next() else { return Ok(()) };
            let file = self.file(&entry, self.at - offset)?;
            self.open = Some((entry, file, end.min(self.piece.end)));
            self.close_finished()?;
        }
        Ok(())
    }

    /// Makes a file. If other parts fill the file too, opens it at the place `at` of its content.
    fn file(&mut self, entry: &Entry<'i>, at: u64) -> Result<File, Failure> {
        let (folder, name) = self.folders.of(entry.path)?;
        let file = match self.piece.cuts(entry) {
            false => folder.make_file(name),
            true => folder.open_file(name).and_then(|file| file.seek(at).map(|()| file)),
        };
        file.map_err(|error| cannot_create(entry.path, error))
    }

    /// Closes the open file, if all of its content in this part is written.
    fn close_finished(&mut self) -> Result<(), Failure> {
        let finished = self.open.take_if(|(_, _, end)| *end == self.at);
        if let Some((entry, file, _)) = finished.filter(|(entry, ..)| !self.piece.cuts(entry)) {
            self.owners
                .set(file.descriptor(), &entry.properties)
                .map_err(|error| cannot_create(entry.path, error))?;
        }
        Ok(())
    }

    /// Checks that nothing is missing.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.open_next()?;
        match (self.open, self.entries.next()) {
            (None, None) if self.at == self.piece.end => Ok(()),
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
                let EntryKind::File { offset, len, .. } = entry.kind else { return Ok(()) };
                let written = holes::write(file.descriptor(), taken, self.at - offset, len);
                written.map_err(|error| cannot_create(entry.path, error))?;
            }
            self.at += count as u64;
            self.close_finished()?;
            bytes = rest;
        }
        Ok(())
    }
}
