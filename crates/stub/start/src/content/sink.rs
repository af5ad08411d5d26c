//! The receiver of a decompressed content.

use crate::failure::Failure;

/// A receiver of decompressed bytes.
pub trait Sink {
    /// The reason why the sink takes no more bytes.
    type Error: From<Failure>;

    /// Takes some bytes, all of them authentic.
    ///
    /// # Errors
    /// The sink's own errors.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}
