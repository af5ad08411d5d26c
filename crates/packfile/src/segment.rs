//! The payload segment: a head of fixed length, the parameters, the age file, and nothing behind
//! it.
//!
//! The packer decides where the segment lies in an ELF file. `docs/formats/packed.md` describes the
//! segment and its place.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::parameters::{MAX_ENCODED, Parameters, ParametersError};

/// The first bytes of every payload segment.
pub const MAGIC: [u8; 8] = *b"sealpack";

/// The length of the head before the parameters, in bytes.
pub const HEAD_LEN: usize = 24;

const VERSION: u16 = 1;

/// A payload segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The parameters that the stub needs before it has a key.
    pub parameters: Parameters<'a>,
    /// The age file, not armored and not parsed.
    pub age: &'a [u8],
}

/// Why some bytes are no payload segment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentError {
    /// The lengths in the segment do not fit its own length.
    #[error("the payload has another length than it says")]
    Length,
    /// The bytes do not begin with [`MAGIC`].
    #[error("there is no payload")]
    Magic,
    /// The parameters cannot be parsed.
    #[error("{0}")]
    Parameters(#[from] ParametersError),
    /// This code does not know its version.
    #[error("the payload is of a version that is not known")]
    Version,
}

impl Classified for SegmentError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

impl<'a> Segment<'a> {
    /// Parses a segment, which has to end where `bytes` end.
    ///
    /// # Errors
    /// The bytes are no segment of this version, or a length or parameter is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        let Some(rest) = bytes.strip_prefix(&MAGIC) else { return Err(SegmentError::Magic) };
        let Some((head, rest)) = rest.split_first_chunk::<{ HEAD_LEN - MAGIC.len() }>() else {
            return Err(SegmentError::Length);
        };
        let [v0, v1, z0, z1, p0, p1, p2, p3, a @ ..] = *head;
        if u16::from_le_bytes([v0, v1]) != VERSION || [z0, z1] != [0, 0] {
            return Err(SegmentError::Version);
        }
        let parameters_len = usize::try_from(u32::from_le_bytes([p0, p1, p2, p3]))
            .ok()
            .filter(|len| *len <= MAX_ENCODED)
            .ok_or(SegmentError::Length)?;
        let (parameters, age) =
            rest.split_at_checked(parameters_len).ok_or(SegmentError::Length)?;
        if usize::try_from(u64::from_le_bytes(a)) != Ok(age.len()) {
            return Err(SegmentError::Length);
        }
        Ok(Self { parameters: Parameters::parse(parameters)?, age })
    }
}

/// Appends the head and the parameters of a segment, whose age file has the length `age_len`.
pub fn write_head(parameters: &Parameters<'_>, age_len: u64, out: &mut impl Extend<u8>) {
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend([0, 0]);
    out.extend((parameters.encoded_len() as u32).to_le_bytes());
    out.extend(age_len.to_le_bytes());
    parameters.write(out);
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn parameters() -> Parameters<'static> {
        Parameters::new(3, "BP", b"/run/secrets/bp", b"").unwrap()
    }

    fn segment() -> Vec<u8> {
        let mut bytes = Vec::new();
        write_head(&parameters(), 3, &mut bytes);
        bytes.extend(b"age");
        bytes
    }

    #[test]
    fn a_segment_is_read_as_it_is_written() {
        let bytes = segment();
        let mut expected = b"sealpack\x01\0\0\0\x1d\0\0\0\x03\0\0\0\0\0\0\0".to_vec();
        expected.extend(b"\x03\0\0\0\x02\0BP\x0f\0/run/secrets/bp\0\0\0\0age");
        assert_eq!(bytes, expected);
        assert_eq!(Segment::parse(&bytes), Ok(Segment { parameters: parameters(), age: b"age" }));
    }

    #[test]
    fn a_segment_that_is_cut_or_goes_on_is_refused() {
        let mut bytes = segment();
        for len in 0..bytes.len() {
            let expected = if len < 8 { SegmentError::Magic } else { SegmentError::Length };
            assert_eq!(Segment::parse(&bytes[..len]), Err(expected), "{len}");
        }
        bytes.push(0);
        assert_eq!(Segment::parse(&bytes), Err(SegmentError::Length));
    }

    #[test]
    fn another_version_is_refused() {
        for place in [8, 9, 10, 11] {
            let mut bytes = segment();
            bytes[place] ^= 2;
            assert_eq!(Segment::parse(&bytes), Err(SegmentError::Version), "{place}");
        }
    }

    #[test]
    fn lengths_beyond_all_bounds_are_refused() {
        for place in 12..24 {
            let mut bytes = segment();
            bytes[place] |= 0x80;
            let refused = Segment::parse(&bytes).unwrap_err();
            assert_eq!(refused, SegmentError::Length, "{place}");
        }
    }

    #[test]
    fn wrong_parameters_are_told() {
        let mut bytes = segment();
        bytes[30] = b'=';
        let expected = SegmentError::Parameters(ParametersError::Variable);
        assert_eq!(Segment::parse(&bytes), Err(expected));
    }
}
