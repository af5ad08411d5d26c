//! Bounds on the headers of tar files. A library that reads such files keeps long names and PAX
//! records in memory, at whatever length the file states.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// How many bytes the headers of one entry may have, together with the long names and PAX records that
/// extend them.
#[derive(Clone)]
pub struct HeaderBounds {
    max: u64,
    left: Rc<Cell<u64>>,
}

impl HeaderBounds {
    /// Bounds the headers of every entry by `max` bytes.
    pub fn new(max: u64) -> Self {
        Self { max, left: Rc::new(Cell::new(max)) }
    }

    /// Returns a reader of `inner` that fails where a header goes beyond the bound. Its caller reads a
    /// tar file out of it, and has to tell where each entry [begins](Self::begin).
    pub fn reader<R: Read>(&self, inner: R) -> BoundedReader<R> {
        BoundedReader { inner, bounds: self.clone() }
    }

    /// Takes note of an entry whose headers have been read. Its content follows, if it is a file, and
    /// then the headers of the next entry.
    pub fn begin<R: Read>(&self, entry: &tar::Entry<'_, R>) {
        let kind = entry.header().entry_type();
        // Other kinds have no content, or, as sparse files, less than they say.
        let content = if kind.is_file() || kind.is_contiguous() { entry.size() } else { 0 };
        self.left.set(self.max.saturating_add(content));
    }

    /// Takes note of an entry whose content is not read.
    pub(super) fn begin_next(&self) {
        self.left.set(self.max);
    }

    /// Takes `bytes` that have been read off the bound.
    pub(super) fn spend(&self, bytes: usize) -> io::Result<()> {
        let left = self.left.get().checked_sub(bytes as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the headers of an entry are too long")
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// Reads a tar file, and fails where a header is longer than its bound.
pub struct BoundedReader<R> {
    inner: R,
    bounds: HeaderBounds,
}

impl<R> BoundedReader<R> {
    /// Returns the inner reader, which stands behind the last entry.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bounds.spend(count)?;
        Ok(count)
    }
}
