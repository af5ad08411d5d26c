//! Sealcrate's own item: private options in an age file, for age's X25519 identities or for a
//! passphrase.
//!
//! It travels under the name of a key provider, so that runtimes which know such providers open it.
//! A passphrase opens one identity. The writer makes that identity for the image, and uses it in
//! all layers. So a passphrase costs one run of scrypt an image.

mod members;
pub(crate) mod passphrase;
mod scheme;
mod wrap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_agefile::{self as agefile, DecryptError, UnwrapError, x25519};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use self::members::{Members, VERSION};
use self::passphrase::{LockError, PassphraseIdentity};
use super::scheme::Unwrapped;

pub use scheme::AgeRecipientError;
pub(super) use scheme::{AgeScheme, hint_at};
pub(super) use wrap::{wrap, wrap_to_all};

/// The longest item, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// An item that was parsed.
#[derive(Debug)]
pub struct AgeItem {
    wrap: Vec<u8>,
    lock: Option<Vec<u8>>,
    hint: Option<String>,
}

impl AgeItem {
    /// Parses the JSON of an item, but not the age files in it.
    ///
    /// # Errors
    /// The item is too long, malformed, or of an unknown version.
    pub fn parse(bytes: &[u8]) -> Result<Self, AgeItemError> {
        if bytes.len() > MAX_BYTES {
            return Err(AgeItemError::TooLong);
        }
        let members: Members =
            serde_json::from_slice(bytes).map_err(|_| AgeItemError::Malformed)?;
        if members.v != VERSION {
            return Err(AgeItemError::Version(members.v));
        }
        let decode = |text: String| STANDARD.decode(text).map_err(|_| AgeItemError::Malformed);
        Ok(Self {
            wrap: decode(members.wrap)?,
            lock: members.lock.map(decode).transpose()?,
            hint: members.hint,
        })
    }

    /// Tells whether a passphrase opens it.
    pub fn has_lock(&self) -> bool {
        self.lock.is_some()
    }

    /// Returns the hint at the recipient, if there is one.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the cost of one identity in key operations: one for each line that may be a stanza.
    pub(crate) fn stanzas(&self) -> usize {
        self.wrap.windows(4).filter(|window| window == b"\n-> ").count().max(1)
    }

    /// Returns the cost of trying a passphrase, in key operations.
    pub(crate) fn cost_of(&self, passphrase: &PassphraseIdentity) -> usize {
        self.lock.as_deref().map_or(0, |lock| passphrase.cost_of(lock)) + self.stanzas()
    }

    /// Opens the private options with age's identities.
    pub(crate) fn unwrap(&self, identities: &[x25519::Identity]) -> Unwrapped {
        let identities = identities.iter().map(|identity| identity as &dyn agefile::Identity);
        match agefile::decrypt(identities, &self.wrap) {
            Ok(content) => Unwrapped::Content(content),
            Err(DecryptError::Unwrap(UnwrapError::NoMatch)) => Unwrapped::NotMine,
            Err(_) => Unwrapped::Damaged,
        }
    }

    /// Opens the private options with a passphrase.
    pub(crate) fn unwrap_locked(&self, passphrase: &PassphraseIdentity) -> Unwrapped {
        let Some(lock) = &self.lock else { return Unwrapped::NotMine };
        match passphrase.open(lock) {
            Ok(Some(identity)) => match self.unwrap(&[identity]) {
                // The passphrase opens the lock, but the identity in it does not open the item.
                Unwrapped::NotMine => Unwrapped::Damaged,
                unwrapped => unwrapped,
            },
            Ok(None) => Unwrapped::NotMine,
            Err(LockError::Malformed) => Unwrapped::Damaged,
            Err(LockError::TooMuch) => Unwrapped::TooCostly,
        }
    }
}

/// Why an item cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgeItemError {
    /// It is not of the right shape.
    #[error("a wrapped key (age) is malformed")]
    Malformed,
    /// It is longer than any that holds private options.
    #[error("a wrapped key (age) is longer than 64 KiB")]
    TooLong,
    /// It is of another version.
    #[error("a wrapped key (age) of version {0} is not supported")]
    Version(u64),
}

impl Classified for AgeItemError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Malformed | Self::TooLong | Self::Version(_) => Some(ErrorClass::Failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_items_and_other_versions_are_refused() {
        let error = |text: &str| AgeItem::parse(text.as_bytes()).unwrap_err();
        for text in
            ["", "{}", r#"{"v":1}"#, r#"{"v":1,"wrap":"?"}"#, r#"{"v":1,"wrap":"","lock":1}"#]
        {
            assert_eq!(error(text), AgeItemError::Malformed, "{text}");
        }
        assert_eq!(error(r#"{"v":2,"wrap":""}"#), AgeItemError::Version(2));
        assert_eq!(error(&" ".repeat(MAX_BYTES + 1)), AgeItemError::TooLong);
    }

    #[test]
    fn identities_cost_as_many_operations_as_there_are_stanzas() {
        let item = |wrap: &str| {
            AgeItem { wrap: wrap.as_bytes().to_vec(), lock: None, hint: None }.stanzas()
        };
        assert_eq!(item("age-encryption.org/v1\n-> X25519 a\nb\n-> X25519 c\nd\n--- e\n"), 2);
        assert_eq!(item(""), 1);
    }
}
