//! The entries of a tar file: their names, and where in the file their bytes lie.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::bounds::HeaderBounds;
use crate::transfer::files::spool::FileSlice;
use crate::{Compression, Content, DiffId, Digest, archive::ArchiveError, printable};

/// The most entries that are read; an image of 1000 layers has 4000 in the oldest form.
const MAX_ENTRIES: usize = 100_000;

/// The longest name of an entry; the names in images have 77 bytes at most.
const MAX_NAME: usize = 256;

/// How many bytes the headers of one entry may have, together with the long names and PAX records
/// that extend them.
pub(super) const MAX_HEADERS: u64 = 64 << 10;

/// How many links may lead to each other.
const MAX_LINKS: usize = 8;

/// A tar file whose entries are known.
#[derive(Default)]
pub(crate) struct Entries {
    by_name: HashMap<String, Entry>,
    seen: usize,
}

enum Entry {
    File(FileEntry),
    /// The name of another entry, from the archive's root.
    Link(String),
    /// A layer whose bytes were not wanted, and how many there were.
    Skipped(DiffId, u64),
    /// Something that holds no bytes of an image, such as a device.
    Other,
}

/// How a file in an archive was kept.
pub(super) enum Kept {
    File(FileEntry),
    /// As no bytes at all: it is a layer that is not wanted.
    Skipped(DiffId),
}

/// A file in an archive.
#[derive(Clone)]
pub(crate) struct FileEntry {
    /// Where its bytes are.
    pub(crate) slice: FileSlice,
    /// The digests of its bytes, if they were compressed while the archive was read.
    pub(crate) packed: Option<Packed>,
}

/// Digests of bytes that were compressed here.
#[derive(Clone, Copy)]
pub(crate) struct Packed {
    /// The digest of the compressed bytes.
    pub(crate) digest: Digest,
    /// How they are compressed.
    pub(crate) compression: Compression,
    /// The digest of the bytes before compression.
    pub(crate) diff_id: DiffId,
}

impl Entries {
    /// Reads the names of all entries of `file`.
    ///
    /// # Errors
    /// A file that cannot be read, is no tar or ends early; names that lead out of the archive, or
    /// that occur twice; more than 100,000 entries.
    pub(crate) fn read(file: Arc<File>) -> Result<Self, ArchiveError> {
        let end = file.metadata()?.len();
        let bounds = HeaderBounds::new(MAX_HEADERS);
        let headers = Headers { file: file.clone(), position: 0, bounds: bounds.clone() };
        let mut archive = tar::Archive::new(headers);
        let mut entries = Self::default();
        for entry in archive.entries_with_seek()? {
            bounds.begin_next();
            entries.add(&mut entry?, |name, entry| {
                let (offset, len) = (entry.raw_file_position(), entry.size());
                if offset.checked_add(len).is_none_or(|entry_end| entry_end > end) {
                    return Err(ArchiveError::Truncated(name.to_owned()));
                }
                let slice = FileSlice::new(file.clone(), offset, len);
                Ok(Kept::File(FileEntry { slice, packed: None }))
            })?;
        }
        Ok(entries)
    }

    /// Takes note of one entry; `file` keeps the bytes of an entry that is a file.
    pub(super) fn add<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        file: impl FnOnce(&str, &mut tar::Entry<'_, R>) -> Result<Kept, ArchiveError>,
    ) -> Result<(), ArchiveError> {
        self.seen += 1;
        if self.seen > MAX_ENTRIES {
            return Err(ArchiveError::TooManyEntries);
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            return Ok(());
        }
        let name = normalised("", &entry.path_bytes())?;
        if self.by_name.contains_key(&name) {
            return Err(ArchiveError::Duplicate(name));
        }
        let target = entry.link_name_bytes().unwrap_or_default();
        let what = if kind.is_file() {
            drop(target);
            match file(&name, entry)? {
                Kept::File(file) => Entry::File(file),
                Kept::Skipped(diff_id) => Entry::Skipped(diff_id, entry.size()),
            }
        } else if kind.is_symlink() {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            normalised(folder, &target).map_or(Entry::Other, Entry::Link)
        } else if kind.is_hard_link() {
            Entry::Link(normalised("", &target)?)
        } else {
            Entry::Other
        };
        self.by_name.insert(name, what);
        Ok(())
    }

    /// Tells whether there is an entry `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Returns the names of all entries.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Adds a layer whose `len` bytes are not wanted, under a name that is not there.
    pub(super) fn skip(&mut self, name: String, diff_id: DiffId, len: u64) {
        self.by_name.entry(name).or_insert(Entry::Skipped(diff_id, len));
    }

    /// Returns the diff ID and the length of the layer `name`, if its bytes were skipped.
    pub(super) fn skipped(&self, name: &str) -> Option<(DiffId, u64)> {
        match self.by_name.get(name) {
            Some(Entry::Skipped(diff_id, len)) => Some((*diff_id, *len)),
            _ => None,
        }
    }

    /// Returns the file that `name` is or links to.
    ///
    /// # Errors
    /// No such file; a link that leads to none.
    pub(crate) fn find(&self, name: &str) -> Result<&FileEntry, ArchiveError> {
        let mut at = name;
        for _ in 0..=MAX_LINKS {
            match self.by_name.get(at) {
                Some(Entry::File(file)) => return Ok(file),
                Some(Entry::Link(target)) => at = target,
                Some(Entry::Other | Entry::Skipped(..)) | None => break,
            }
        }
        Err(match self.by_name.get(name) {
            None => ArchiveError::Missing(name.to_owned()),
            Some(_) => ArchiveError::Link(name.to_owned()),
        })
    }

    /// Returns the name of the file that `name` is or links to.
    pub(crate) fn target<'a>(&'a self, name: &'a str) -> &'a str {
        let mut at = name;
        for _ in 0..MAX_LINKS {
            match self.by_name.get(at) {
                Some(Entry::Link(target)) => at = target,
                _ => break,
            }
        }
        at
    }

    /// Reads the file `name` whole.
    ///
    /// # Errors
    /// As [`find`](Self::find); more than `max` bytes.
    pub(crate) fn read_whole(&self, name: &str, max: u64) -> Result<Vec<u8>, ArchiveError> {
        let slice = &self.find(name)?.slice;
        if slice.len() > max {
            return Err(ArchiveError::TooLarge(name.to_owned()));
        }
        let mut bytes = Vec::new();
        slice.open()?.read_to_end(&mut bytes)?;
        if bytes.len() as u64 != slice.len() {
            return Err(ArchiveError::Truncated(name.to_owned()));
        }
        Ok(bytes)
    }
}

/// Resolves the path `name`, which is relative to `folder`, so that it has no `.` and `..` left.
fn normalised(folder: &str, name: &[u8]) -> Result<String, ArchiveError> {
    let refused = || ArchiveError::Name(shown(name));
    let text = str::from_utf8(name).map_err(|_| refused())?;
    if text.len() > MAX_NAME || text.starts_with('/') || text.contains('\0') {
        return Err(refused());
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            // A link may lead out of its folder, but nothing leads out of the archive.
            ".." => {
                parts.pop().ok_or_else(refused)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Shows a name, cut at the length that a name may have.
fn shown(name: &[u8]) -> String {
    printable(&String::from_utf8_lossy(name), MAX_NAME)
}

/// Reads the headers of a tar, and fails where the headers of one entry are longer than their
/// bound.
struct Headers {
    file: Arc<File>,
    position: u64,
    bounds: HeaderBounds,
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.bounds.spend(count)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Headers {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        // Positions in files are signed to the system.
        self.position = position
            .filter(|position| i64::try_from(*position).is_ok())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
