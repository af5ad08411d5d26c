//! Former recipients: those whose wrapped keys are found again, so that they can be removed.

use super::Recipient;
use super::openpgp::{KeyIds, OpenPgpKeyError};
use super::recipient::openpgp_name;
use super::wrapped::WrappedKey;

/// Somebody who is not to open an image any more.
#[derive(Debug)]
pub struct FormerRecipient(Known);

/// By what they are known again.
#[derive(Debug)]
enum Known {
    /// A key that need not be one to encrypt to.
    OpenPgp(KeyIds),
    /// What was encrypted to.
    Recipient(Recipient),
}

impl FormerRecipient {
    /// Takes the file of a public OpenPGP key, which may be expired or revoked meanwhile.
    ///
    /// # Errors
    /// What is no such key, or several.
    pub fn openpgp(file: &[u8]) -> Result<Self, OpenPgpKeyError> {
        Ok(Self(Known::OpenPgp(KeyIds::parse(file)?)))
    }

    /// Returns the names that they may have in a sealed record.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.0 {
            Known::OpenPgp(ids) => ids.all().iter().map(|id| openpgp_name(id)).collect(),
            Known::Recipient(recipient) if recipient.has_name_of_its_own() => {
                vec![recipient.name()]
            }
            Known::Recipient(_) => Vec::new(),
        }
    }

    /// Tells whether `wrapped`, which holds the key `key` of a layer, is theirs and nobody else's.
    pub(super) fn is_only_one_of(&self, wrapped: &WrappedKey, key: &[u8; 32]) -> bool {
        match (&self.0, wrapped) {
            (Known::OpenPgp(ids), WrappedKey::OpenPgp(message)) => message.is_only_for(ids),
            (Known::OpenPgp(_), _) => false,
            (Known::Recipient(recipient), wrapped) => recipient.is_only_one_of(wrapped, key),
        }
    }
}

impl From<Recipient> for FormerRecipient {
    fn from(recipient: Recipient) -> Self {
        Self(Known::Recipient(recipient))
    }
}
