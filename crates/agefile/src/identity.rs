//! X25519 identities, as `age-keygen` writes them.

use bech32::Bech32;
use bech32::primitives::decode::CheckedHrpstring;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::agreement::Secret;
use crate::keys::{Label, derive, open_file_key};
use crate::stanza::{Stanza, Wrapped, X25519};
use crate::{FileKey, Header, UnwrapError};

/// The text before the separator, in lower case. Upper case is allowed as well.
const PREFIX: &str = "age-secret-key-";

/// The secret side of a recipient `age1…`.
#[derive(Debug)]
pub struct Identity(Secret);

/// Says that a text is no identity. The reason would tell something of the secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no age identity: a character is wrong or missing")]
pub struct IdentityError;

impl Identity {
    /// Parses `AGE-SECRET-KEY-1…`.
    ///
    /// # Errors
    /// The text is no identity, or mistyped: it has a checksum.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| IdentityError)?;
        let hrp = checked.hrp();
        let has_prefix = hrp.lowercase_char_iter().eq(PREFIX.chars());
        // 52 characters of five bits hold 32 bytes and four bits, which must be zero.
        let is_padded = checked.fe32_iter().last().is_some_and(|last| last.to_u8() & 0x0f == 0);
        if !has_prefix || checked.data_part_ascii_no_checksum().len() != 52 || !is_padded {
            return Err(IdentityError);
        }
        let mut key = Zeroizing::new([0; 32]);
        key.iter_mut().zip(checked.byte_iter()).for_each(|(to, from)| *to = from);
        Ok(Self(Secret::new(*key)))
    }

    /// Returns the public key. A recipient `age1…` is its text.
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
    /// Nobody has [checked][Header::check] the file key against the header yet.
    ///
    /// # Errors
    /// [`UnwrapError::Share`]: the stanza's share is a point of low order.
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
