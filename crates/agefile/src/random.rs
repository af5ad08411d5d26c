//! Random bytes, from the library that the whole program has them from.

use aws_lc_rs::rand;
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// Says that the system gives no random bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the system has no random bytes to give")]
pub struct NoRandomness;

impl Classified for NoRandomness {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

/// Fills a buffer with random bytes.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    rand::fill(bytes).map_err(|_| NoRandomness)
}
