//! X25519 recipients and identities, as `age-keygen` writes them.

#[cfg(feature = "host")]
mod host;
mod text;

use core::fmt;
use core::str::FromStr;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::agreement::X25519Key;
use crate::file_key::{FileKey, UnwrapError, WRAPPED, derive};
use crate::identity;
use crate::stanza::{HeaderError, Stanza, decode};

pub(crate) const KIND: &[u8] = b"X25519";

/// Separates the keys of this kind from all others.
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";

/// A stanza of this kind.
pub(crate) struct Wrapped {
    /// The ephemeral public key.
    share: [u8; 32],
    wrapped: [u8; WRAPPED],
}

impl Wrapped {
    /// Reads a stanza of this kind.
    pub(crate) fn parse(stanza: &Stanza<'_>) -> Result<Self, HeaderError> {
        let [share] = stanza.arguments_of(KIND).ok_or(HeaderError::Recipient)?;
        let share = decode(share).ok_or(HeaderError::Recipient)?;
        let wrapped = stanza.decoded_body().ok_or(HeaderError::Recipient)?;
        Ok(Self { share, wrapped })
    }
}

/// Derives the key that wraps a file key.
fn wrapping_key(shared: &[u8; 32], share: &[u8; 32], recipient: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut salt = [0; 64];
    salt[..32].copy_from_slice(share);
    salt[32..].copy_from_slice(recipient);
    derive(shared, &salt, LABEL)
}

/// The secret side of a recipient `age1…`.
#[derive(Clone, Debug)]
pub struct Identity(X25519Key);

/// Says that a text is no identity. The reason would tell something of the secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no age identity: a character is wrong or missing")]
pub struct IdentityError;

impl Classified for IdentityError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Key)
    }
}

impl Identity {
    /// Parses `AGE-SECRET-KEY-1…`.
    ///
    /// # Errors
    /// The text is no identity, or mistyped: it has a checksum.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let mut key = Zeroizing::new([0; 32]);
        text::decode(text, text::IDENTITY, &mut key).ok_or(IdentityError)?;
        Ok(Self(X25519Key::new(*key)))
    }

    /// Returns the public key. A recipient `age1…` is its text.
    pub fn public(&self) -> [u8; 32] {
        self.0.public()
    }

    /// Returns the recipient of this identity.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.public())
    }
}

impl identity::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza<'_>) -> Result<Option<FileKey>, UnwrapError> {
        let Ok(Wrapped { share, wrapped }) = Wrapped::parse(stanza) else { return Ok(None) };
        let shared = self.0.shared_with(&share).ok_or(UnwrapError::Share)?;
        let key = wrapping_key(&shared, &share, &self.public());
        Ok(FileKey::open(&key, &wrapped))
    }
}

/// The public side of an identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// Says that a text is no recipient. The text may be a secret in the wrong place, so the error does
/// not repeat it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no age recipient: a character is wrong or missing")]
pub struct RecipientError;

impl Classified for RecipientError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    /// Parses `age1…`.
    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let mut key = [0; 32];
        text::decode(text, text::RECIPIENT, &mut key).ok_or(RecipientError)?;
        Ok(Self(key))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::encode(&self.0, text::RECIPIENT, |character| fmt::Write::write_char(f, character))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
