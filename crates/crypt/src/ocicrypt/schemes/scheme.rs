//! The interface of a scheme, which is one way of wrapping keys.
//!
//! A layer's private options are wrapped to a recipient, and an identity unwraps them. A scheme has
//! a type for each of the three: a [`RecipientKey`], a [`WrappedKey`], and a secret of any type,
//! which [`Identity::of`] takes.

use std::any::Any;
use std::error::Error as StdError;
use std::io;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use super::provider::ProviderError;
use crate::ocicrypt::keys::Identity;
use crate::pushed::Reader;

/// A way of wrapping keys.
pub(crate) trait Scheme: Sync {
    /// Returns the name of the scheme. It is the end of the name of the annotation that holds the
    /// wrapped keys.
    fn name(&self) -> &str;

    /// Reads a wrapped key.
    ///
    /// # Errors
    /// The bytes are malformed, or have a form that is not read.
    fn parse<'s>(&'s self, wrapped: &[u8]) -> Result<Box<dyn WrappedKey + 's>, WrappedKeyError>;

    /// Returns the word by which people know the way in which `wrapped` is wrapped.
    fn describe(&self, wrapped: &[u8]) -> String {
        let _ = wrapped;
        self.name().to_owned()
    }

    /// Tells whether a passphrase may open `wrapped`.
    fn takes_passphrase(&self, wrapped: &[u8]) -> bool {
        let _ = wrapped;
        false
    }
}

/// A layer's private options, wrapped to somebody.
pub(crate) trait WrappedKey {
    /// Returns the number of key operations that `identity` costs at most. An identity of another
    /// scheme costs none.
    fn cost(&self, identity: &Identity) -> usize;

    /// Opens the private options with `identity`.
    fn unwrap(&self, identity: &Identity) -> Unwrapped;
}

/// The outcome of trying an identity on a wrapped key.
pub(crate) enum Unwrapped {
    /// The private options.
    Content(Zeroizing<Vec<u8>>),
    /// The identity opens the key, but the content does not authenticate.
    Damaged,
    /// The key provider that has the key did not unwrap it.
    Failed(ProviderError),
    /// The identity opens nothing.
    NotMine,
    /// The identity opens the key, and the content authenticates, but has a form that is not read.
    Refused(WrappedKeyError),
    /// Trying would cost more than all images together may.
    TooCostly,
}

/// Somebody whose wrapped keys are found again, so that they can be removed.
pub(crate) trait Removable: Send + Sync {
    /// Returns the names that a sealed record may have for this one and for nobody else.
    fn names(&self) -> Vec<String>;

    /// Tells whether `wrapped` is for this one and for nobody else. It holds the key `key` of a
    /// layer, and is wrapped by the scheme with the name `scheme`.
    fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], key: &[u8; 32]) -> bool;
}

/// Somebody to whom a scheme wraps keys.
pub(crate) trait RecipientKey: Removable + Any {
    /// Returns the name of the scheme.
    fn scheme(&self) -> &str;

    /// Wraps `content`, the private options of a layer with the key `key`.
    ///
    /// # Errors
    /// The system gives no random bytes. A [`ProviderError`] is inside the error.
    fn wrap(&self, content: &[u8], key: &[u8; 32]) -> io::Result<Vec<u8>>;

    /// Returns the public name, which the sealed record lists for readers.
    fn name(&self) -> String;

    /// Returns the bytes that distinguish this recipient from others. Returns `None` where nothing
    /// does.
    fn reader(&self) -> Option<Reader>;
}

/// Why a wrapped key cannot be used. The source is the error of its scheme.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct WrappedKeyError(#[source] Box<dyn StdError + Send + Sync>);

impl Classified for WrappedKeyError {
    fn class(&self) -> Option<ErrorClass> {
        None
    }
}

impl WrappedKeyError {
    /// Takes the error of a scheme.
    pub(crate) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}
