//! Keys in the files of other tools. [`Identity`] holds a private key, or another secret that opens
//! wrapped keys; [`key_file`](Identity::parse) reads it. Public keys and certificates are for
//! recipients.

mod certificate;
mod curve;
pub(super) mod der;
mod encrypted_key;
mod identity;
mod key_file;
mod legacy_pem;
mod private_key;
mod public_key;

pub(super) use certificate::Certificate;
pub use certificate::CertificateError;
pub(super) use curve::Curve;

pub use identity::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
pub(super) use private_key::{EcKey, RsaKey};
pub(super) use public_key::PublicKey;
pub use public_key::PublicKeyError;
