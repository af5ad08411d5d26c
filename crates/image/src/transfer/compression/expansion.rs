//! Expansion: how many bytes decompression may yield for the bytes that go in.
//!
//! A few bytes can unpack to any number that their author likes, and keep a machine busy for as long.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// How many bytes may come out for any input: layers of this size may be as sparse as they like.
const FREE: u64 = 1 << 30;

/// How many times its input the output may have beyond that. gzip makes at most 1032 bytes of one, so that
/// no layer in gzip is ever refused. Zstandard makes 30,000 bytes of one where all are zero.
const DEFAULT_RATIO: u32 = 1100;

/// A bound on decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expansion {
    free: u64,
    ratio: u32,
}

impl Expansion {
    /// The ratio where the user asks for no other.
    pub const DEFAULT_RATIO: u32 = DEFAULT_RATIO;

    /// Allows 1 GiB of output, and beyond it `ratio` bytes for each byte of input.
    pub fn to(ratio: u32) -> Self {
        Self { free: FREE, ratio }
    }

    /// Tells whether `packed` bytes may have yielded `unpacked` bytes.
    fn check(self, packed: u64, unpacked: u64) -> io::Result<()> {
        if unpacked <= self.free || unpacked / u64::from(self.ratio.max(1)) <= packed {
            return Ok(());
        }
        Err(io::Error::other(ExpansionError { ratio: self.ratio }))
    }
}

impl Default for Expansion {
    fn default() -> Self {
        Self::to(DEFAULT_RATIO)
    }
}

/// Tells that decompression yields too many bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a layer unpacks to more than 1 GiB and more than {ratio} times its size")]
pub struct ExpansionError {
    ratio: u32,
}

impl ExpansionError {
    /// Tells whether `error` bears one.
    pub(crate) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

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
pub(crate) mod tests {
    use super::*;

    /// A bound that tests can reach.
    pub(crate) fn small(free: u64, ratio: u32) -> Expansion {
        Expansion { free, ratio }
    }

    #[test]
    fn ratio_counts_beyond_the_free_bytes_alone() {
        let bound = small(1000, 10);
        for (packed, unpacked, fits) in [
            (0, 1000, true),
            (1, 1000, true),
            (0, 1001, false),
            (100, 1009, true),
            (100, 1010, false),
        ] {
            let fits_found = bound.check(packed, unpacked).is_ok();
            assert_eq!(fits_found, fits, "{packed} to {unpacked}");
        }
        assert!(small(0, 0).check(5, 5).is_ok());
    }

    #[test]
    fn no_layer_in_gzip_is_ever_refused() {
        // Nothing is packed better than zeros.
        let zeros = vec![0; 10 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&zeros).unwrap();
        let packed = gzip.finish().unwrap().len() as u64;
        assert!(small(0, DEFAULT_RATIO).check(packed, zeros.len() as u64).is_ok());
        assert!(small(0, DEFAULT_RATIO / 2).check(packed, zeros.len() as u64).is_err());
    }

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
