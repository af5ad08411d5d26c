//! Compression: how layers are compressed, how a reader recognises it, and how hard gzip tries.

use std::io::{self, Read};

use libdeflater::CompressionLvl;
use thiserror::Error;

use crate::transfer::compression::expansion::{Expanded, Expansion, Packed};

/// How the bytes of a layer are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar.
    None,
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Tells by the first bytes.
    ///
    /// # Errors
    /// Errors of reading.
    pub fn sniff(reader: &mut dyn Read) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        reader.take(4).read_to_end(&mut head)?;
        Ok(match head[..] {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::None,
        })
    }

    /// Decompresses `reader`. The returned reader fails where its bytes are more than `expansion`
    /// allows.
    ///
    /// # Errors
    /// A decompressor that cannot be set up.
    pub fn reader<'a>(
        self,
        reader: Box<dyn Read + Send + 'a>,
        expansion: Expansion,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        let packed = Packed::default();
        let counted = packed.reader(reader);
        let unpacked: Box<dyn Read + Send + 'a> = match self {
            Self::None => return Ok(counted.into_inner()),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(counted)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(counted)?),
        };
        Ok(Box::new(Expanded::new(unpacked, expansion, packed)))
    }
}

/// How hard gzip tries: from 1, which is fastest, to 12, which makes the least bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionLevel(u8);

impl CompressionLevel {
    /// The fastest.
    pub const MIN: u8 = 1;
    /// The one with the least bytes.
    pub const MAX: u8 = 12;
}

impl Default for CompressionLevel {
    /// Level 1 makes a twelfth more bytes than 6 in less than half the time. It is the better
    /// choice wherever a layer travels faster than some 10 MB/s a core.
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u8> for CompressionLevel {
    type Error = CompressionLevelError;

    fn try_from(level: u8) -> Result<Self, CompressionLevelError> {
        match level {
            Self::MIN..=Self::MAX => Ok(Self(level)),
            _ => Err(CompressionLevelError(level)),
        }
    }
}

impl From<CompressionLevel> for CompressionLvl {
    fn from(level: CompressionLevel) -> Self {
        Self::new(level.0.into()).expect("libdeflate's levels are these")
    }
}

/// Why a number is no compression level.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("compression level {0} is not between 1 and 12")]
pub struct CompressionLevelError(u8);
