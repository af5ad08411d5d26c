//! Hints for the errors of crypto-cli's format.

use std::error::Error;

use sealcrate_crypt::crypto_cli::{DecryptError, KdfError, RewrapError};

use super::shared::{ONE_PLATFORM, UNENCRYPTED};

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<DecryptError>() {
        return match error {
            DecryptError::NotEncrypted | DecryptError::ConfigNotEncrypted => Some(UNENCRYPTED),
            DecryptError::WrongPassphrase => Some(
                "no layer was read, and nothing was written; of a passphrase in a file, one line end at \
                 its end does not count, but every space does",
            ),
            _ => None,
        };
    }
    if matches!(error.downcast_ref(), Some(KdfError::Budget)) {
        return Some(ONE_PLATFORM);
    }
    match error.downcast_ref()? {
        RewrapError::NotAuthenticated => Some(
            "`copy` with --pass-file and --new-pass-file makes a new image of it, if you trust these members",
        ),
        RewrapError::OnePassphrase => {
            Some("name the new passphrase with --new-pass-file or --new-pass-fd")
        }
        _ => None,
    }
}
