//! Content: bytes that can be opened, again and again, wherever they lie.

use std::io::{self, Read};
use std::sync::Arc;

use crate::Digest;

/// Bytes that can be read from the beginning any number of times.
///
/// What they ought to be (length, digest) is said beside, by a descriptor or a
/// [`Layer`](crate::Layer), and checked there.
pub trait Content: Send + Sync {
    /// Opens the bytes for reading.
    ///
    /// # Errors
    /// The medium's own; the error's inner value tells which.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;

    /// Tells whether nobody else can change the bytes: they lie in memory, or in a file of this
    /// process without a name. What was checked once need not be copied then to stay checked.
    fn is_settled(&self) -> bool {
        false
    }

    /// Returns the digest that the bytes have, or else reading them to their end fails: it was computed
    /// when they were written to where they have been settled since. Whoever reads them need not
    /// compute it again.
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
