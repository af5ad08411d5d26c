//! How hard gzip tries.

use libdeflater::CompressionLvl;
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

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

impl Classified for CompressionLevelError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}
