//! Says that some bytes are no index.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// Says that some bytes are no index.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the index is damaged: {0}")]
pub struct IndexError(pub(crate) &'static str);

impl Classified for IndexError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

impl IndexError {
    /// The index goes on after its end.
    pub const LONGER: Self = Self("it is longer than it says");
    /// The identity of a layer is malformed.
    pub const UNKNOWN_IDENTITY: Self = Self("a layer's identity is none");
}
