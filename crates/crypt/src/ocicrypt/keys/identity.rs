//! Identities: secrets that open wrapped keys. Each scheme knows the types of secrets that it takes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// The longest key file.
pub const MAX_KEY_FILE_BYTES: usize = 64 << 10;

/// The secret that opens keys wrapped to its recipient. Copies are the same identity.
#[derive(Clone)]
pub struct Identity(Arc<dyn Any + Send + Sync>);

impl Identity {
    /// Takes a secret, which wipes itself when it is dropped.
    pub(crate) fn of(secret: impl Any + Send + Sync) -> Self {
        Self(Arc::new(secret))
    }

    /// Returns the secret, if it is one of the type `T`.
    pub(crate) fn secret<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Why a file is no usable identity.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// A line of an age identity file is no X25519 identity.
    #[error("a line in it is no age identity (AGE-SECRET-KEY-1…)")]
    Age,
    /// It is a certificate, which other tools want beside its private key.
    #[error("it is a certificate, and no private key")]
    Certificate,
    /// It holds no private key of a known kind.
    #[error(
        "there is no private key in it: neither age's nor one for RSA (2048 to 8192 bits), P-256, \
         P-384 or P-521"
    )]
    NoKey,
    /// It holds OpenPGP's secret keys, but none that can decrypt.
    #[error(
        "there is no OpenPGP key in it that can decrypt: for RSA (2048 to 8192 bits), Curve25519, P-256, P-384 \
         or P-521"
    )]
    NoOpenPgpKey,
    /// OpenPGP's secret key is under a password, in a way that is not supported.
    #[error("its private key is encrypted in a way that is not supported")]
    OpenPgpEncryption,
    /// It is OpenPGP's public key.
    #[error("it is a public OpenPGP key, and no private key")]
    OpenPgpPublic,
    /// The key is under a password in the old form of PEM, and the cipher is not AES.
    #[error(
        "its private key is under a password in the old form of PEM, and the cipher is not AES, the only one that \
         is supported there"
    )]
    OldEncryption,
    /// The key is under a password.
    #[error("its private key is under a password")]
    Password,
    /// It is a PKCS#12 file.
    #[error("it is a PKCS#12 file (.p12, .pfx), of which no key is taken")]
    Pkcs12,
    /// The file is longer than [`MAX_KEY_FILE_BYTES`].
    #[error("it is longer than 64 KiB")]
    TooLong,
    /// The key is under a password, in another way than PBES2 with AES.
    #[error("its private key is encrypted in a way that is not supported")]
    UnknownEncryption,
    /// The key is under another password.
    #[error("wrong password for its private key")]
    WrongPassword,
}

impl Classified for IdentityError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Key)
    }
}
