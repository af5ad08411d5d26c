//! Recipients, to whom keys are wrapped, each in its own way. Each scheme has the constructors of
//! its recipients.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::scheme::{RecipientKey, Removable};
use crate::pushed::Reader;

/// Somebody who will be able to open an image. Copies are the same recipient.
#[derive(Clone)]
pub struct Recipient(Arc<dyn RecipientKey>);

impl Recipient {
    /// Takes the recipient of a scheme.
    pub(crate) fn of(key: impl RecipientKey) -> Self {
        Self(Arc::new(key))
    }

    /// Returns the recipient of a scheme, if it is one of the type `T`.
    pub(crate) fn key<T: RecipientKey>(&self) -> Option<&T> {
        let key: &dyn Any = &*self.0;
        key.downcast_ref()
    }

    /// Wraps `content`, the private options of a layer with the key `key`. Returns the name of the
    /// scheme, and the wrapped key.
    ///
    /// # Errors
    /// The system gives no random bytes. A [`ProviderError`](super::provider::ProviderError) is
    /// inside the error.
    pub(crate) fn wrap(&self, content: &[u8], key: &[u8; 32]) -> io::Result<(String, Vec<u8>)> {
        Ok((self.0.scheme().to_owned(), self.0.wrap(content, key)?))
    }

    /// Returns the bytes that distinguish this recipient from others. Returns `None` for a
    /// passphrase, which [`Reader::passphrase`] distinguishes, and for a provider.
    pub fn reader(&self) -> Option<Reader> {
        self.0.reader()
    }

    /// Returns the public name of this recipient, which the sealed record lists for readers.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Returns the recipient as somebody who can be removed.
    pub(super) fn into_removable(self) -> Arc<dyn Removable> {
        self.0
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({}, ..)", self.0.scheme())
    }
}
