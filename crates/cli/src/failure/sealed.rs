//! The meaning of errors about images that differ from the sealed ones, or from the expected ones.

use std::error::Error;

use sealcrate_crypt::crypto_cli::{DecryptError, EncryptError, SealedConfigError};
use sealcrate_crypt::ocicrypt::{self, RecordError};
use sealcrate_crypt::sealed::{HomeError, TableError};
use thiserror::Error;

use super::Kind;

/// Tells that an image is for another platform than its index says.
#[derive(Debug, Error)]
#[error("the index says that the image is for {stated}, the image that it is for {own}")]
pub(crate) struct OtherPlatform {
    pub(crate) stated: String,
    pub(crate) own: String,
}

/// Tells that nothing binds the images of an index to each other.
#[derive(Debug, Error)]
#[error("nothing binds the images of the index to each other")]
pub(crate) struct UnboundIndex;

/// Tells that an image is not encrypted, and that the user has not accepted that.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum PlainImage {
    #[error(
        "the image is locked, not encrypted: `docker pull` fetches it, and its start asks for the key"
    )]
    Locked,
    #[error("the image is not encrypted; if that is what you expect, say --allow-unencrypted")]
    Plain,
}

pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Option<Kind> {
    if error.is::<PlainImage>() {
        return Some(Kind::Unencrypted);
    }
    let is_too_long = matches!(error.downcast_ref(), Some(ocicrypt::SealError::TooLong(_)))
        || matches!(error.downcast_ref(), Some(SealedConfigError::RecordTooLong(_)))
        || matches!(
            error.downcast_ref(),
            Some(EncryptError::SealedConfig(SealedConfigError::RecordTooLong(_)))
        );
    if is_too_long {
        return Some(Kind::Usage);
    }
    let is_damage = error.is::<OtherPlatform>()
        || error.is::<UnboundIndex>()
        || error.is::<RecordError>()
        || error.is::<TableError>()
        || error.is::<HomeError>()
        || matches!(
            error.downcast_ref(),
            Some(DecryptError::Contradiction(_) | DecryptError::NotBound)
        );
    is_damage.then_some(Kind::Damaged)
}

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if error.is::<HomeError>() {
        return Some(
            "if this is the image that you mean, say where it was pushed to with --home NAME",
        );
    }
    if error.is::<UnboundIndex>() {
        return Some("`sealcrate rewrap` seals the images of an index together");
    }
    None
}
