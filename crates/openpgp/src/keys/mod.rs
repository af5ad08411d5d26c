//! Keys: certificates, which are public, and secret keys.

mod certificate;
mod file;
mod material;
mod s2k;
mod secret;
mod signature;

pub use certificate::{Certificate, CertificateError, KeyIds};
pub(crate) use certificate::{EncryptionKey, EncryptionKind};
pub use file::{is_public, is_secret};
pub(crate) use material::Ecdh;
pub use material::KeyId;
pub(crate) use secret::SecretKey;
pub(crate) use secret::SecretMaterial;
pub use secret::{SecretKeyError, SecretKeys};
