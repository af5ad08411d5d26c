//! Answers of this provider: items, and the private options in them.

use std::fmt;

use sealcrate_agefile::x25519;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::Digest;
use thiserror::Error;
use zeroize::Zeroizing;

use super::bytes;
use super::request::{UnwrapRequest, WrapRequest};
use crate::ocicrypt::budget::{Budget, MAX_ATTEMPTS};
use crate::ocicrypt::keys::Identity;
use crate::ocicrypt::options::{Mark, OptionsError, PrivateOptions};
use crate::ocicrypt::schemes::age;
use crate::ocicrypt::schemes::recipient::Recipient;
use crate::ocicrypt::schemes::scheme::{self, WrappedKey};

impl WrapRequest {
    /// Wraps to the recipients that the request names, or else to `own`, and returns the answer.
    ///
    /// For one recipient, the answer is the same item as in an image that is pushed to that
    /// recipient. Several recipients share one item.
    ///
    /// # Errors
    /// There is no recipient, or one of `own` is not age's.
    pub fn answer(&self, own: &[Recipient]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let own: Option<Vec<_>> = own.iter().map(Recipient::key::<x25519::Recipient>).collect();
        let recipients = match &self.recipients[..] {
            [] => own.ok_or(WrapError::Kind)?,
            named => named.iter().collect(),
        };
        let item = match recipients[..] {
            [] => return Err(WrapError::NoRecipient),
            [one] => {
                let hint = age::hint_at(one, &self.options.key);
                age::wrap(&self.content, one, hint)
            }
            _ => age::wrap_to_all(&self.content, &recipients),
        };
        let item = item.map_err(WrapError::Library)?;
        Ok(bytes::object("keywrapresults", "annotation", &item))
    }
}

/// The outcome of unwrapping an item.
pub struct Unwrapped {
    /// The answer, which holds the layer's key.
    pub answer: Zeroizing<Vec<u8>>,
    /// The layer or image that the key belongs to, as far as its writer stated.
    pub subject: Subject,
}

/// The layer or image that an unwrapped key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A layer of the image whose config has this digest: version 1.
    Config(Digest),
    /// The layer that has this digest before encryption: version 2.
    Layer(Digest),
    /// Another tool wrote it, without a statement that can be trusted.
    Unknown,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(digest) => write!(f, "sealed, version 1, config {digest}"),
            Self::Layer(digest) => write!(f, "sealed, version 2, layer {digest}"),
            Self::Unknown => f.write_str("not sealed"),
        }
    }
}

impl Subject {
    fn of(options: &PrivateOptions) -> Self {
        match (&options.mark, options.digest) {
            (Mark::Binding(binding), _) => Self::Config(binding.config),
            (Mark::Record, Some(digest)) => Self::Layer(digest),
            _ => Self::Unknown,
        }
    }
}

impl UnwrapRequest {
    /// Unwraps the item with the identities of the request, and then with `own`.
    ///
    /// Only private options come out. Other files that are encrypted to the same recipients stay
    /// closed.
    ///
    /// # Errors
    /// No identity opens the item, or its content is damaged or no private options.
    pub fn answer(self, own: &[Identity]) -> Result<Unwrapped, UnwrapError> {
        let count = self.identities.len() + own.len();
        let item: &dyn WrappedKey = &self.item;
        let mut budget = Budget::new();
        let mut damaged = false;
        for identity in self.identities.iter().chain(own) {
            budget.pay(item.cost(identity)).map_err(|_| UnwrapError::TooManyAttempts)?;
            match item.unwrap(identity) {
                scheme::Unwrapped::Content(content) => {
                    let options = PrivateOptions::parse(&content)?;
                    let answer = bytes::object("keyunwrapresults", "optsdata", &content);
                    return Ok(Unwrapped { answer, subject: Subject::of(&options) });
                }
                scheme::Unwrapped::Damaged => damaged = true,
                // An identity either opens an item of age or does not, and there is no passphrase
                // here.
                scheme::Unwrapped::Failed(_)
                | scheme::Unwrapped::NotMine
                | scheme::Unwrapped::Refused(_)
                | scheme::Unwrapped::TooCostly => {}
            }
        }
        match (damaged, count) {
            (true, _) => Err(UnwrapError::Damaged),
            (false, 0) => Err(UnwrapError::NoIdentity),
            (false, _) => Err(UnwrapError::WrongKey(count)),
        }
    }
}

impl fmt::Debug for Unwrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwrapped").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Why a key cannot be unwrapped.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnwrapError {
    /// An identity opens the item, but the content does not authenticate.
    #[error("the wrapped key is damaged: it does not authenticate")]
    Damaged,
    /// There is no identity, neither in the request nor among this provider's own.
    #[error("there is no identity to unwrap the key with")]
    NoIdentity,
    /// The item opens, but its content is no private options.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// The item asks for more than [`MAX_ATTEMPTS`] key operations.
    #[error("the key is wrapped too often: more than {MAX_ATTEMPTS} attempts")]
    TooManyAttempts,
    /// None of this number of identities opens the item.
    #[error("wrong key: none of {0} key files opens the wrapped key")]
    WrongKey(usize),
}

impl Classified for UnwrapError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NoIdentity | Self::TooManyAttempts | Self::WrongKey(_) => Some(ErrorClass::Key),
            Self::Damaged | Self::Options(_) => Some(ErrorClass::Damaged),
        }
    }
}

/// Why a key cannot be wrapped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WrapError {
    /// A recipient is of a kind that has no place in an item.
    #[error("a key provider wraps to age recipients (age1…) alone")]
    Kind,
    /// The library fails.
    #[error("{0}")]
    Library(#[source] std::io::Error),
    /// There is no recipient, neither in the request nor among this provider's own.
    #[error("there is no recipient to wrap the key to")]
    NoRecipient,
}

impl Classified for WrapError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Kind | Self::NoRecipient => Some(ErrorClass::Usage),
            Self::Library(_) => None,
        }
    }
}
