//! Numbers and bytes, taken one after the other.

use crate::index::IndexError;

/// The bytes of an index that have not been taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

const CUT: IndexError = IndexError("it is cut off");

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], IndexError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, IndexError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, IndexError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, IndexError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], IndexError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CUT)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Takes bytes behind their length in four bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], IndexError> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| CUT)?)
    }

    /// Takes bytes behind their length in two bytes.
    pub(super) fn short(&mut self) -> Result<&'a [u8], IndexError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// Returns the bytes that have not been taken.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Checks that nothing is left.
    pub(super) fn end(self) -> Result<(), IndexError> {
        if self.0.is_empty() { Ok(()) } else { Err(IndexError("something follows its end")) }
    }
}

/// Appends bytes behind their length in four bytes.
pub(super) fn write_bytes(bytes: &[u8], out: &mut impl Extend<u8>) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes.iter().copied());
}

/// Appends bytes behind their length in two bytes.
pub(super) fn write_short(bytes: &[u8], out: &mut impl Extend<u8>) {
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes.iter().copied());
}
