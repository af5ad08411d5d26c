//! The meaning of errors about images that differ from the sealed ones, or from the expected ones.

use std::error::Error;

use sealcrate_crypt::crypto_cli::{DecryptError, EncryptError, SealedConfigError};
use sealcrate_crypt::ocicrypt::{self, RecordError};
use sealcrate_crypt::sealed::{HomeError, TableError};

use super::kind::Kind;

pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Option<Kind> {
    let is_too_long = matches!(error.downcast_ref(), Some(ocicrypt::SealError::TooLong(_)))
        || matches!(error.downcast_ref(), Some(SealedConfigError::RecordTooLong(_)))
        || matches!(
            error.downcast_ref(),
            Some(EncryptError::SealedConfig(SealedConfigError::RecordTooLong(_)))
        );
    if is_too_long {
        return Some(Kind::Usage);
    }
    let is_damage = error.is::<RecordError>()
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
    None
}
