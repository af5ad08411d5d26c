//! Hints for the errors of every format: the choice of layers, and the record.

use std::error::Error;

use sealcrate_crypt::formats::{ChooseError, OpenError};
use sealcrate_crypt::sealed::HomeError;
use sealcrate_crypt::select::SelectError;

use super::shared::{NOT_BOUND, UNENCRYPTED};

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match error.downcast_ref() {
        Some(OpenError::NotEncrypted) => return Some(UNENCRYPTED),
        Some(OpenError::NotBound) => return Some(NOT_BOUND),
        _ => {}
    }
    if matches!(error.downcast_ref(), Some(ChooseError::AlreadyEncrypted)) {
        return Some(
            "`sealcrate rewrap` changes who can open it; to encrypt it anew elsewhere, copy it with \
             --pass-file for the old passphrase, or --identity, and --new-pass-file or --recipient for \
             the new ones",
        );
    }
    if let Some(error) = error.downcast_ref::<SelectError>() {
        return match error {
            SelectError::NoLabel | SelectError::AmbiguousLabel(_) => Some(
                "put LABEL com.senetas.crypto.enabled=true before the private layers in the \
                 Dockerfile, or use --encrypt-layer N, --all-layers or --base IMAGE; --type NONE \
                 pushes without encryption",
            ),
            SelectError::HistoryMismatch { .. } | SelectError::Nothing => {
                Some("choose layers with --encrypt-layer N, --all-layers or --base IMAGE")
            }
            _ => None,
        };
    }
    error.is::<HomeError>().then_some(
        "if this is the image that you mean, say where it was pushed to with --home NAME",
    )
}
