//! Content: bytes that can be opened, again and again, wherever they lie.

use std::io::{self, Read};
use std::sync::Arc;

use crate::Digest;

/// Bytes that can be read from the beginning any number of times.
///
/// A descriptor or a [`Layer`](crate::Layer) beside it states their length and digest, and its reader
/// checks them.
pub trait Content: Send + Sync {
    /// Opens the bytes for reading.
    ///
    /// # Errors
    /// The medium's own; the error's inner value tells which.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;

    /// Tells whether nobody else can change the bytes: they lie in memory, or in a file of this process
    /// without a name. A caller that has checked such bytes once need not copy them to keep them
    /// checked.
    fn is_settled(&self) -> bool {
        false
    }

    /// Returns the digest of the bytes, if it was computed when they were written to the place where
    /// they have been settled since. Reading them to their end fails if they have another one, so their
    /// reader need not compute it again.
    fn proven(&self) -> Option<Digest> {
        None
    }
}

impl Content for Vec<u8> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.clone())))
    }

    fn is_settled(&self) -> bool {
        true
    }
}

impl<C: Content + ?Sized> Content for Arc<C> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        (**self).open()
    }

    fn is_settled(&self) -> bool {
        (**self).is_settled()
    }

    fn proven(&self) -> Option<Digest> {
        (**self).proven()
    }
}
