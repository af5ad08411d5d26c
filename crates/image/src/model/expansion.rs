//! Expansion: how many bytes decompression may yield for the bytes that go in.
//!
//! A few bytes can unpack to any number that their author likes, and keep a machine busy for as long.

use std::io;

use sealcrate_errors::{Classified, ErrorClass};
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
    pub(crate) fn check(self, packed: u64, unpacked: u64) -> io::Result<()> {
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

impl Classified for ExpansionError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

impl ExpansionError {
    /// Tells whether `error` bears one.
    pub(crate) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

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
}
