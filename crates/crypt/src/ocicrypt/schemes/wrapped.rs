//! Wrapped keys of every scheme that this crate reads, behind one type.

use sealcrate_openpgp::{Message, MessageError, OpenError};
use thiserror::Error;
use zeroize::Zeroizing;

use super::age::{AgeItem, AgeItemError};
use super::jwe::{Jwe, JweError};
use super::pkcs7::{Pkcs7, Pkcs7Error};
use crate::ocicrypt::Identity;
use crate::ocicrypt::annotations::Scheme;
use crate::ocicrypt::keys::identity::Key;

/// A layer's private options, wrapped to somebody.
pub(crate) enum WrappedKey {
    Age(AgeItem),
    Jwe(Jwe),
    OpenPgp(Message),
    Pkcs7(Pkcs7),
}

/// The outcome of trying an identity on a wrapped key.
pub(crate) enum Unwrapped {
    /// The private options.
    Content(Zeroizing<Vec<u8>>),
    /// The identity opens the key, but the content does not authenticate.
    Damaged,
    /// The identity opens nothing.
    NotMine,
    /// The identity opens the key, and the content authenticates, but has a form that is not read.
    Refused(WrappedKeyError),
    /// Trying would cost more than all images together may.
    TooCostly,
}

impl WrappedKey {
    /// Parses `bytes` as `scheme` says. Returns `None` if this crate does not read the scheme.
    ///
    /// # Errors
    /// The bytes are malformed, or have a form that is not read.
    pub(crate) fn parse(scheme: &Scheme, bytes: &[u8]) -> Result<Option<Self>, WrappedKeyError> {
        match scheme {
            Scheme::Age => Ok(Some(Self::Age(AgeItem::parse(bytes)?))),
            Scheme::Jwe => Ok(Some(Self::Jwe(Jwe::parse(bytes)?))),
            Scheme::OpenPgp => Ok(Some(Self::OpenPgp(Message::parse(bytes)?))),
            Scheme::Pkcs7 => Ok(Some(Self::Pkcs7(Pkcs7::parse(bytes)?))),
            Scheme::Other(_) => Ok(None),
        }
    }

    /// Returns the hint at the recipient, if there is one.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::Age(item) => item.hint(),
            Self::Jwe(jwe) => jwe.hint(),
            Self::OpenPgp(_) | Self::Pkcs7(_) => None,
        }
    }

    /// Returns how many key operations `identity` costs at most.
    pub(crate) fn cost(&self, identity: &Identity) -> usize {
        match (self, &*identity.0) {
            (Self::Age(item), Key::Passphrase(passphrase)) => item.cost_of(passphrase),
            (Self::Age(item), Key::Age(identities)) => item.stanzas() * identities.len(),
            (Self::Jwe(jwe), Key::Ec(..) | Key::Rsa(_)) => jwe.recipients(),
            (Self::OpenPgp(message), Key::OpenPgp(keys)) => message.recipients() * keys.count(),
            (Self::Pkcs7(message), Key::Rsa(_)) => message.recipients(),
            _ => 0,
        }
    }

    /// Opens the private options with `identity`.
    pub(crate) fn unwrap(&self, identity: &Identity) -> Unwrapped {
        match (self, &*identity.0) {
            (Self::Age(item), Key::Age(identities)) => item.unwrap(identities),
            (Self::Age(item), Key::Passphrase(passphrase)) => item.unwrap_locked(passphrase),
            (Self::OpenPgp(message), Key::OpenPgp(keys)) => match message.open(keys) {
                Ok(content) => Unwrapped::Content(content),
                Err(OpenError::Content(error)) => Unwrapped::Refused(error.into()),
                Err(OpenError::Damaged) => Unwrapped::Damaged,
                Err(_) => Unwrapped::NotMine,
            },
            (Self::Pkcs7(message), Key::Rsa(key)) => message.unwrap(key),
            (Self::Age(_) | Self::OpenPgp(_) | Self::Pkcs7(_), _) => Unwrapped::NotMine,
            (Self::Jwe(jwe), _) => jwe.unwrap(identity),
        }
    }
}

/// Why a wrapped key cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrappedKeyError {
    /// An item of ours.
    #[error("{0}")]
    Age(#[from] AgeItemError),
    /// A JWE.
    #[error("{0}")]
    Jwe(#[from] JweError),
    /// A message of OpenPGP.
    #[error("{0}")]
    OpenPgp(#[from] MessageError),
    /// A message of PKCS#7.
    #[error("{0}")]
    Pkcs7(#[from] Pkcs7Error),
}
