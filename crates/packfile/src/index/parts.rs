//! The parts of a private layer: pieces of its tar file, each in an age file of its own.

use crate::index::IndexError;
use crate::index::reader::Reader;

/// The length of an encoded part, in bytes.
const ENCODED: usize = 40;

/// A piece of a layer's tar file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of bytes of the tar file that it holds.
    pub len: u64,
    /// The SHA-256 of its age file's header, to which all of that file is bound.
    pub header: [u8; 32],
}

/// The parts of a layer, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// Parses the parts that [`Self::write`] wrote.
    ///
    /// # Errors
    /// The bytes are no parts.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let mut reader = Reader::new(bytes);
        let parts = Self::read(&mut reader)?;
        reader.end()?;
        Ok(parts)
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        let count = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        let parts = Self(reader.take(count.saturating_mul(ENCODED))?);
        parts.total()?;
        Ok(parts)
    }

    /// Reads the only part of a layer in an index of the first version, which has no count.
    pub(super) fn read_one(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        reader.take(ENCODED).map(Self)
    }

    fn total(self) -> Result<u64, IndexError> {
        let total = self.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.len));
        total.ok_or(IndexError("a layer has no end"))
    }

    /// Returns the length of the layer's tar file, in bytes.
    pub fn tar_len(self) -> u64 {
        self.iter().fold(0, |sum, part| sum.saturating_add(part.len))
    }

    /// Returns the parts, lowest first.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Part> + Clone + use<'a> {
        self.0.chunks_exact(ENCODED).map(|encoded| {
            let (mut len, mut header) = ([0; 8], [0; 32]);
            len.copy_from_slice(&encoded[..8]);
            header.copy_from_slice(&encoded[8..]);
            Part { len: u64::from_le_bytes(len), header }
        })
    }

    pub(super) fn append(self, out: &mut impl Extend<u8>) {
        Self::write(self.iter(), out);
    }

    /// Appends encoded parts.
    pub fn write(parts: impl ExactSizeIterator<Item = Part>, out: &mut impl Extend<u8>) {
        out.extend((parts.len() as u32).to_le_bytes());
        for Part { len, header } in parts {
            out.extend(len.to_le_bytes());
            out.extend(header);
        }
    }
}
