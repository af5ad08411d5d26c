//! crypto-cli's image format: a Docker manifest, whose encrypted blobs have their data keys in
//! their descriptors, wrapped under a passphrase.
//!
//! [`CryptoCli`] is the format as callers see it. [`Encryptor`] encrypts an image, and [`decrypt`] decrypts it. `key_data` reads and writes a
//! descriptor's key data, and `kdf` derives keys from a passphrase. `config` encrypts members of a
//! config. [`dare`] is the stream in which layers are stored. `pushed` finds the layers that another push may use again, and `rewrap` changes the
//! passphrase. `docs/formats/crypto-cli.md` specifies the bytes.

mod config;
pub mod dare;
mod decrypt;
mod encrypt;
mod format;
mod kdf;
mod key_data;
mod pushed;
mod rewrap;

pub use config::SealedConfigError;
pub use decrypt::{DecryptError, WrappedKeys, decrypt};
pub use encrypt::{EncryptError, Encryptor, FreshKey};
pub use format::{CryptoCli, RewrapError, UnderPassphrase};
pub use kdf::{
    Budget, DEFAULT_ITERATIONS, KdfError, KeyDerivation, MAX_BUDGET, MAX_ITERATIONS,
    MAX_TOTAL_ITERATIONS, MIN_ITERATIONS,
};
pub use key_data::{KeyData, KeyDataError, KeyDataShape};
pub use pushed::open_pushed;
pub use rewrap::Rewrapping;
