//! X25519 identities, as `age-keygen` writes them.

use bech32::Bech32;
use bech32::primitives::decode::CheckedHrpstring;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::age::keys::{Label, derive, open_file_key};
use crate::age::stanza::{Stanza, Wrapped, X25519};
use crate::age::{FileKey, Header, UnwrapError};
use crate::agreement::Secret;

/// The part of the text before the separator, without regard to case.
const PREFIX: &str = "age-secret-key-";

/// The secret side of a recipient `age1…`.
#[derive(Debug)]
pub struct Identity(Secret);

/// A text is no identity. Why it is not would tell of the secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no age identity: a character is wrong or missing")]
pub struct IdentityError;

impl Identity {
    /// Parses `AGE-SECRET-KEY-1…`.
    ///
    /// # Errors
    /// It is something else, or mistyped: there is a checksum.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| IdentityError)?;
        let hrp = checked.hrp();
        let has_prefix = hrp.lowercase_char_iter().eq(PREFIX.chars());
        // 52 characters of five bits hold 32 bytes and four bits, which have to be zero.
        let is_padded = checked.fe32_iter().last().is_some_and(|last| last.to_u8() & 0x0f == 0);
        if !has_prefix || checked.data_part_ascii_no_checksum().len() != 52 || !is_padded {
            return Err(IdentityError);
        }
        let mut key = Zeroizing::new([0; 32]);
        key.iter_mut().zip(checked.byte_iter()).for_each(|(to, from)| *to = from);
        Ok(Self(Secret::new(*key)))
    }

    /// Returns the public key, which a recipient `age1…` is the text of.
    pub fn public(&self) -> [u8; 32] {
        self.0.public()
    }

    /// Unwraps the file key of a header, and checks the header with it.
    ///
    /// # Errors
    /// No stanza is for this identity, or the header was changed.
    pub fn unwrap(&self, header: &Header<'_>) -> Result<FileKey, UnwrapError> {
        for stanza in header.stanzas() {
            if let Some(file_key) = self.unwrap_stanza(&stanza)? {
                header.check(&file_key)?;
                return Ok(file_key);
            }
        }
        Err(UnwrapError::NoMatch)
    }

    /// Unwraps the file key of a stanza, if it is for this identity.
    ///
    /// The file key has not been [checked][Header::check] against the header.
    ///
    /// # Errors
    /// [`UnwrapError::Share`]: its share is a point of low order.
    pub fn unwrap_stanza(&self, stanza: &Stanza<'_>) -> Result<Option<FileKey>, UnwrapError> {
        let Ok(Wrapped::X25519(X25519 { share, wrapped })) = stanza.wrapped() else {
            return Ok(None);
        };
        let shared = self.0.shared_with(&share).ok_or(UnwrapError::Share)?;
        let mut salt = [0; 64];
        salt[..32].copy_from_slice(&share);
        salt[32..].copy_from_slice(&self.public());
        let key = derive(&*shared, &salt, Label::X25519);
        Ok(open_file_key(&key, &wrapped))
    }
}
