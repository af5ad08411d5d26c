//! Former recipients, whose wrapped keys are found again so that they can be removed.

use std::fmt;
use std::sync::Arc;

use super::recipient::Recipient;
use super::scheme::Removable;

/// Somebody who shall not open an image any more: a recipient to whom it was encrypted, or a key
/// that need not be fit for encryption today.
pub struct FormerRecipient(Arc<dyn Removable>);

impl FormerRecipient {
    /// Takes somebody whose wrapped keys a scheme finds.
    pub(super) fn of(removable: impl Removable + 'static) -> Self {
        Self(Arc::new(removable))
    }

    /// Returns the names that this former recipient may have in a sealed record.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.names()
    }

    /// Tells whether `wrapped` is for this former recipient and for nobody else. It holds the key
    /// `key` of a layer, and is wrapped by the scheme with the name `scheme`.
    pub(crate) fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], key: &[u8; 32]) -> bool {
        self.0.is_only_one_of(scheme, wrapped, key)
    }
}

impl From<Recipient> for FormerRecipient {
    fn from(recipient: Recipient) -> Self {
        Self(recipient.into_removable())
    }
}

impl fmt::Debug for FormerRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormerRecipient(..)")
    }
}
