//! Former recipients, whose wrapped keys are found again so that they can be removed.

use sealcrate_openpgp::KeyIds;

use super::recipient::openpgp_name;
use super::wrapped::WrappedKey;
use crate::ocicrypt::OpenPgpKeyError;
use crate::ocicrypt::Recipient;

/// Somebody who shall not open an image any more.
#[derive(Debug)]
pub struct FormerRecipient(Known);

/// The means of finding a former recipient's wrapped keys.
#[derive(Debug)]
enum Known {
    /// An OpenPGP key, which need not be fit for encryption.
    OpenPgp(KeyIds),
    /// A recipient to whom the image was encrypted.
    Recipient(Recipient),
}

impl FormerRecipient {
    /// Takes the file of a public OpenPGP key, which may have expired or been revoked since.
    ///
    /// # Errors
    /// The file holds no such key, or several.
    pub fn openpgp(file: &[u8]) -> Result<Self, OpenPgpKeyError> {
        Ok(Self(Known::OpenPgp(KeyIds::parse(file)?)))
    }

    /// Returns the names that this former recipient may have in a sealed record.
    pub(crate) fn names(&self) -> Vec<String> {
        match &self.0 {
            Known::OpenPgp(ids) => ids.all().iter().map(|id| openpgp_name(id)).collect(),
            Known::Recipient(recipient) if recipient.has_name_of_its_own() => {
                vec![recipient.name()]
            }
            Known::Recipient(_) => Vec::new(),
        }
    }

    /// Tells whether `wrapped`, which holds the key `key` of a layer, is for this former recipient
    /// and for nobody else.
    pub(crate) fn is_only_one_of(&self, wrapped: &WrappedKey, key: &[u8; 32]) -> bool {
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
