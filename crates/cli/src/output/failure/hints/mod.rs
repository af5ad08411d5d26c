//! The hints: how a user goes on after an error.
//!
//! One file holds the hints for the errors of one library, or of one format.

mod core;
mod crypt;
mod crypto_cli;
mod image;
mod lock;
mod ocicrypt;
mod pack;
mod shared;

use std::error::Error;

use super::errors::MissingKey;
use shared::NO_PASSPHRASE;

/// Returns the hint for an error, if there is one.
pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if error.is::<MissingKey>() {
        return Some(NO_PASSPHRASE);
    }
    crypto_cli::hint(error)
        .or_else(|| crypt::hint(error))
        .or_else(|| image::hint(error))
        .or_else(|| core::hint(error))
        .or_else(|| ocicrypt::hint(error))
        .or_else(|| pack::hint(error))
        .or_else(|| lock::hint(error))
}
