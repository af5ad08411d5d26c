//! Wrapped keys of every scheme that is read: one place that knows which there are.

use thiserror::Error;
use zeroize::Zeroizing;

use super::Identity;
use super::annotations::Scheme;
use super::jwe::{Jwe, JweError};

/// A layer's private options, wrapped to somebody.
pub(super) enum WrappedKey {
    Jwe(Jwe),
}

/// What came of an identity and a wrapped key.
pub(super) enum Unwrapped {
    /// The private options.
    Content(Zeroizing<Vec<u8>>),
    /// The identity opens the key, but what it holds does not authenticate.
    Damaged,
    /// The identity opens nothing.
    NotMine,
}

impl WrappedKey {
    /// Parses `bytes`, which are of `scheme`; `None` if that is not read.
    ///
    /// # Errors
    /// What is malformed, or outside of what is read.
    pub(super) fn parse(scheme: &Scheme, bytes: &[u8]) -> Result<Option<Self>, WrappedKeyError> {
        match scheme {
            Scheme::Jwe => Ok(Some(Self::Jwe(Jwe::parse(bytes)?))),
            Scheme::Other(_) => Ok(None),
        }
    }

    /// Returns how many key operations an identity costs at most.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Jwe(jwe) => jwe.recipients(),
        }
    }

    /// Opens the private options with `identity`.
    pub(super) fn unwrap(&self, identity: &Identity) -> Unwrapped {
        match self {
            Self::Jwe(jwe) => jwe.unwrap(identity),
        }
    }
}

/// Why a wrapped key cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrappedKeyError {
    /// A JWE.
    #[error("{0}")]
    Jwe(#[from] JweError),
}
