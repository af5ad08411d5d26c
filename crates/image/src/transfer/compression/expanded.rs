//! The output of decompression, held to a bound.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Expansion;

/// How many bytes have gone in. The input's side counts them; the output's side compares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed(Arc<AtomicU64>);

impl Packed {
    /// Counts bytes that go in.
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns a reader of `reader` that counts its bytes.
    pub(crate) fn reader<R>(&self, reader: R) -> PackedReader<R> {
        PackedReader { inner: reader, packed: self.clone() }
    }
}

/// Counts the bytes that a decompressor reads.
pub(crate) struct PackedReader<R> {
    inner: R,
    packed: Packed,
}

impl<R> PackedReader<R> {
    /// Returns the reader of the packed bytes.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for PackedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.packed.add(count);
        Ok(count)
    }
}

/// A decompressor's output, bounded. `inner` is the decompressor that it is read from, or the writer that
/// the decompressor writes it to.
pub(crate) struct Expanded<T> {
    inner: T,
    expansion: Expansion,
    packed: Packed,
    unpacked: u64,
}

impl<T> Expanded<T> {
    /// Holds the bytes that come out of `inner`, or go into it, to `expansion`.
    pub(crate) fn new(inner: T, expansion: Expansion, packed: Packed) -> Self {
        Self { inner, expansion, packed, unpacked: 0 }
    }

    /// Returns the inner reader or writer.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns the inner reader or writer, and ends the check.
    pub(crate) fn into_inner(self) -> T {
        self.inner
    }

    fn count(&mut self, bytes: usize) -> io::Result<()> {
        self.unpacked += bytes as u64;
        self.expansion.check(self.packed.0.load(Ordering::Relaxed), self.unpacked)
    }
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count(count)?;
        Ok(count)
    }
}

impl<W: Write> Write for Expanded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.count(count)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExpansionError;
    use crate::model::expansion::tests::small;

    #[test]
    fn both_directions_are_held_to_it() {
        let packed = Packed::default();
        let mut reader = Expanded::new(&[7; 100][..], small(10, 2), packed.clone());
        assert!(ExpansionError::is_in(&reader.read_to_end(&mut Vec::new()).unwrap_err()));
        let mut writer = Expanded::new(Vec::new(), small(10, 2), packed.clone());
        assert!(ExpansionError::is_in(&writer.write_all(&[7; 100]).unwrap_err()));
        packed.add(100);
        let mut reader = Expanded::new(&[7; 100][..], small(10, 2), packed);
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 100);
    }
}
