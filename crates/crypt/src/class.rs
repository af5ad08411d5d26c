//! The classes of the errors of this crate.

use std::error::Error;

use sealcrate_errors::{ErrorClass, class_of};

use crate::format::{FormatError, WrongKind};
use crate::formats::{ChooseError, OpenError};
use crate::ocicrypt::{
    AgeItemError, AgeRecipientError, AnnotationError, CertificateError, IdentityError, JweError,
    LayerAuthentication, LayerEncryptionError, OptionsError, PayloadError, Pkcs7Error,
    PublicKeyError, SealError, WrappedKeyError, provider,
};
use crate::sealed::{HomeError, TableError};
use crate::select::SelectError;
use crate::{PassphraseError, crypto_cli, ocicrypt, pushed};

/// Returns the class of an error of this crate, of OpenPGP or of an age file. It returns `None` for other
/// errors, and where a cause of the error tells the class.
pub fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    let of_crypto_cli = || {
        class_of!(
            error;
            crypto_cli::DecryptError,
            crypto_cli::EncryptError,
            crypto_cli::KdfError,
            crypto_cli::KeyDataError,
            crypto_cli::RewrapError,
            crypto_cli::SealedConfigError,
            crypto_cli::dare::DareError,
        )
    };
    let of_ocicrypt = || {
        class_of!(
            error;
            AgeItemError,
            AgeRecipientError,
            AnnotationError,
            CertificateError,
            ocicrypt::DecryptError,
            ocicrypt::EncryptError,
            IdentityError,
            JweError,
            LayerAuthentication,
            OptionsError,
            PayloadError,
            Pkcs7Error,
            LayerEncryptionError,
            PublicKeyError,
            ocicrypt::RecordError,
            ocicrypt::RewrapError,
            SealError,
            WrappedKeyError,
        )
    };
    let of_providers = || {
        class_of!(
            error;
            provider::CallError,
            provider::ProviderConfigError,
            provider::ProviderError,
            provider::ProviderNameError,
            provider::RequestError,
            provider::UnwrapError,
            provider::WrapError,
        )
    };
    let of_all = || {
        class_of!(
            error;
            ChooseError,
            FormatError,
            HomeError,
            OpenError,
            PassphraseError,
            SelectError,
            TableError,
            WrongKind,
            pushed::RecordError,
        )
    };
    let of_others = || sealcrate_openpgp::class(error).or_else(|| sealcrate_agefile::class(error));
    of_all().or_else(of_crypto_cli).or_else(of_ocicrypt).or_else(of_providers).or_else(of_others)
}
