//! Damage: bytes that are others than they should be.

use std::io;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::{DiffId, Digest};

/// How bytes differ from their descriptor, or from the config.
///
/// It travels inside an [`io::Error`] of kind `InvalidData`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// A layer's tar has another digest than the config names.
    #[error("layer does not match the config: its diff ID is {found}, not {expected}")]
    DiffId {
        /// The diff ID in the config.
        expected: DiffId,
        /// The digest of the tar.
        found: DiffId,
    },
    /// The bytes have another digest.
    #[error("blob {expected} is damaged: its digest is {found}")]
    Digest {
        /// The digest that they should have.
        expected: Digest,
        /// The digest that they have.
        found: Digest,
    },
    /// There are more bytes than there should be.
    #[error("{what} is longer than the {expected} bytes that it should have")]
    TooLong {
        /// Which bytes.
        what: String,
        /// How many there should be.
        expected: u64,
    },
    /// There are fewer bytes than there should be.
    #[error("{what} ends after {found} of {expected} bytes")]
    TooShort {
        /// Which bytes.
        what: String,
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// A compressed layer cannot be decompressed.
    #[error("layer {diff_id} is damaged: it cannot be decompressed ({reason})")]
    Undecompressable {
        /// The layer.
        diff_id: DiffId,
        /// The decompressor's words.
        reason: String,
    },
}

impl Classified for Damage {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}
