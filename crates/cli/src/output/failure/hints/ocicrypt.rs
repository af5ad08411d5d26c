//! Hints for the errors of images that are encrypted to recipients.

use std::error::Error;

use sealcrate_crypt::format::WrongKind;
use sealcrate_crypt::ocicrypt::{
    DecryptError, IdentityError, OpenPgpKeyError, PublicKeyError, RewrapError,
};

use super::super::errors::NoOpenPgpFile;
use super::shared::{NOT_BOUND, ONE_PLATFORM, UNENCRYPTED};

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<DecryptError>() {
        return match error {
            DecryptError::NotBound => Some(NOT_BOUND),
            DecryptError::NotEncrypted => Some(UNENCRYPTED),
            DecryptError::TooCostly => Some(ONE_PLATFORM),
            DecryptError::WrongKey => Some("no layer was read, and nothing was written"),
            _ => None,
        };
    }
    if matches!(error.downcast_ref(), Some(RewrapError::NotARecipient { .. })) {
        return Some(
            "keys that other tools wrapped, or this one under a passphrase, do not tell whose they are, or are for \
             several at once: --reencrypt makes new ones, for those alone whom --add names",
        );
    }
    if matches!(error.downcast_ref(), Some(WrongKind::Passphrase)) {
        return Some("give the private key with --identity KEY");
    }
    if matches!(error.downcast_ref(), Some(WrongKind::Identity)) {
        return Some("give the passphrase with --pass-file FILE or --pass-fd N");
    }
    if matches!(error.downcast_ref(), Some(PublicKeyError::PrivateKey)) {
        return Some("`openssl pkey -in PRIVATE -pubout -out PUBLIC` makes the public key");
    }
    if error.is::<NoOpenPgpFile>()
        || matches!(
            error.downcast_ref(),
            Some(OpenPgpKeyError::NoKey | OpenPgpKeyError::PrivateKey | OpenPgpKeyError::Several)
        )
    {
        return Some("`gpg --export NAME > FILE` writes the public key of one");
    }
    if matches!(error.downcast_ref(), Some(OpenPgpKeyError::TooLong)) {
        return Some(
            "`gpg --export-options export-minimal --export NAME > FILE` leaves the signatures of others out",
        );
    }
    match error.downcast_ref() {
        Some(IdentityError::OpenPgpPublic) => {
            Some("`gpg --export-secret-keys NAME > FILE` writes the private key")
        }
        Some(IdentityError::OldEncryption) => Some(
            "`openssl pkcs8 -topk8 -in OLD -out NEW` brings the key into the form of today, under a \
             password as well",
        ),
        Some(IdentityError::Pkcs12) => Some(
            "`openssl pkcs12 -in OLD -nocerts -out NEW` writes its private key, under a password as well",
        ),
        Some(IdentityError::UnknownEncryption) => Some(
            "`openssl pkcs8 -topk8 -in OLD -out NEW` encrypts the key as is usual today, under a password as \
             well; for a file in DER, add -inform DER",
        ),
        Some(IdentityError::Password) => Some("name the password behind the file: KEY:file=FILE"),
        _ => None,
    }
}
