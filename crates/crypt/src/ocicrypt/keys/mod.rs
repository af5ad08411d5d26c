//! Keys, as other tools keep them in files: private ones, public ones and certificates.

pub(super) mod certificate;
pub(super) mod der;
mod encrypted_key;
pub(super) mod identity;
mod legacy_pem;
pub(super) mod public_key;

pub use certificate::CertificateError;
pub use identity::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
pub use public_key::PublicKeyError;
