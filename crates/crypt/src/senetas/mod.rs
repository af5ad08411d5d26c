//! crypto-cli's image format: a Docker manifest whose encrypted blobs carry, in their descriptors,
//! their data keys wrapped under a passphrase.
//!
//! `key_data` is what a descriptor carries, `kdf` the way from passphrase to key, `config` the
//! encrypted members of a config, `pushed` what another push may
//! use again. [`Encryptor`] and [`decrypt`] put them together.
//! `docs/formats/crypto-cli.md` specifies the bytes.

mod config;
mod decrypt;
mod encrypt;
mod kdf;
mod key_data;
mod pushed;
mod rewrap;

pub use config::SealedConfigError;
pub use decrypt::{DecryptError, Decrypted, Protection, decrypt};
pub(crate) use encrypt::{DareKey, is_encrypted};
pub use encrypt::{EncryptError, Encryptor, FreshKey};
pub use kdf::{
    Budget, DEFAULT_ITERATIONS, KdfError, KeyDerivation, MAX_BUDGET, MAX_ITERATIONS,
    MAX_TOTAL_ITERATIONS, MIN_ITERATIONS,
};
pub use key_data::{KeyData, KeyDataError, KeyDataShape};
pub use pushed::PushedImage;
pub use rewrap::Rewrapping;
