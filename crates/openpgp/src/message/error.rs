//! Why a message cannot be used.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// The most recipients of a message.
pub(super) const MAX_RECIPIENTS: usize = 64;

/// Why bytes are no message that can be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// A part is not of the right shape.
    #[error("a wrapped key (OpenPGP) is malformed: {0}")]
    Malformed(&'static str),
    /// Without integrity, anybody could have changed it.
    #[error(
        "a wrapped key (OpenPGP) is encrypted without integrity, so that anybody can change it"
    )]
    NoIntegrity,
    /// It is too long to hold a key, or its content is.
    #[error("a wrapped key (OpenPGP) is longer than 64 KiB")]
    TooLong,
    /// It is for too many recipients.
    #[error("a wrapped key (OpenPGP) is for more than {MAX_RECIPIENTS} recipients")]
    TooManyRecipients,
    /// The named part has a form that this crate does not read.
    #[error("a wrapped key (OpenPGP) is not supported for its {0}")]
    Unsupported(&'static str),
}

impl Classified for MessageError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

/// Why keys do not open a message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The content is authentic, but it cannot be used.
    #[error("{0}")]
    Content(#[from] MessageError),
    /// One of the keys is a recipient's, but nothing authentic comes out.
    #[error("a wrapped key (OpenPGP) is damaged: it does not authenticate")]
    Damaged,
    /// None of the keys is a recipient's.
    #[error("none of the keys opens the wrapped key (OpenPGP)")]
    WrongKey,
}

impl Classified for OpenError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::WrongKey => Some(ErrorClass::Key),
            Self::Damaged => Some(ErrorClass::Damaged),
            Self::Content(_) => None,
        }
    }
}
