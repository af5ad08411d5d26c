//! The files of one part of a private layer, written as the part is decompressed.

use core::iter::Peekable;

use sealcrate_packfile::index::{Entry, EntryKind};
use sealcrate_stub_start::system::{File, Folder};
use sealcrate_stub_start::{self as start, Sink};

use crate::failure::Failure;
use crate::unlock::cannot;
use crate::unlock::holes;
use crate::unlock::last_folder::LastFolder;
use crate::unlock::owners::Owners;

/// The place of a part: a range of the bytes of a layer's tar file.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) layer: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether this is the last part of its layer. Empty files at the layer's end belong to the last part.
    pub(crate) is_last: bool,
}

impl Piece {
    /// Tells whether all of a file's content lies before this part.
    pub(crate) fn is_behind(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { layer, offset, len } = entry.kind else { return true };
        layer < self.layer
            || layer == self.layer && offset < self.start && offset + len <= self.start
    }

    /// Tells whether all of this part lies before a file's content.
    pub(crate) fn is_before(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { layer, offset, .. } = entry.kind else { return false };
        self.layer < layer || self.layer == layer && self.end <= offset && !self.is_last
    }

    /// Tells whether a file begins within this part or before it. The file's content must not lie before this
    /// part.
    pub(crate) fn has(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { layer, .. } = entry.kind else { return false };
        layer == self.layer && !self.is_before(entry)
    }

    /// Tells whether a file's content goes beyond this part.
    pub(crate) fn cuts(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { offset, len, .. } = entry.kind else { return false };
        offset < self.start || offset + len > self.end
    }
}

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
        file.map_err(|error| cannot(entry.path, error))
    }

    /// Closes the open file, if all of its content in this part is written.
    fn close_finished(&mut self) -> Result<(), Failure> {
        let finished = self.open.take_if(|(_, _, end)| *end == self.at);
        if let Some((entry, file, _)) = finished.filter(|(entry, ..)| !self.piece.cuts(entry)) {
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
                written.map_err(|error| cannot(entry.path, error))?;
            }
            self.at += count as u64;
            self.close_finished()?;
            bytes = rest;
        }
        Ok(())
    }
}
