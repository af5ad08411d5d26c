//! Expansion: how many bytes may come out of decompression for those that went in.
//!
//! A few bytes can unpack to as many as somebody likes, who then keeps a machine busy for as long as they
//! like.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// How much may come out for whatever went in: layers of this size may be as sparse as they like.
const FREE: u64 = 1 << 30;

/// How often the input may be in the output beyond that. gzip cannot make more of a byte than 1032, so that
/// no layer in gzip is ever refused. Zstandard makes 30,000 bytes of one where all are zero.
const DEFAULT_RATIO: u32 = 1100;

/// A bound on decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expansion {
    free: u64,
    ratio: u32,
}

impl Expansion {
    /// The ratio where nothing else is asked for.
    pub const DEFAULT_RATIO: u32 = DEFAULT_RATIO;

    /// Bounds what comes out beyond 1 GiB by `ratio` bytes for each that went in.
    pub fn to(ratio: u32) -> Self {
        Self { free: FREE, ratio }
    }

    /// Tells whether so much may have come out of so much.
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

/// Tells that too much comes out of decompression.
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

/// How much has gone in, which one side counts and the other one compares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed(Arc<AtomicU64>);

impl Packed {
    /// Counts bytes that go in.
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns `reader`, which counts what it yields.
    pub(crate) fn reader<R>(&self, reader: R) -> PackedReader<R> {
        PackedReader { inner: reader, packed: self.clone() }
    }
}

/// Counts what a decompressor reads.
pub(crate) struct PackedReader<R> {
    inner: R,
    packed: Packed,
}

impl<R> PackedReader<R> {
    /// Returns what was read.
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

/// What comes out of a decompressor, as long as it is not too much: to be read from it, or written by it.
pub(crate) struct Expanded<T> {
    inner: T,
    expansion: Expansion,
    packed: Packed,
    unpacked: u64,
}

impl<T> Expanded<T> {
    /// Holds what comes out of, or goes into, `inner` to `expansion`.
    pub(crate) fn new(inner: T, expansion: Expansion, packed: Packed) -> Self {
        Self { inner, expansion, packed, unpacked: 0 }
    }

    /// Returns what is read from or written to.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns what was read from or written to.
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
