//! Encrypts and decrypts images: [`Image`](sealcrate_image::Image) in,
//! [`Image`](sealcrate_image::Image) out.
//!
//! [`select`] chooses layers. [`crypto_cli`] is crypto-cli's image format, which wraps keys under a
//! passphrase, and [`dare`] is the stream in which it stores layers. [`ocicrypt`] is OCI image
//! encryption, which wraps keys to public keys and passphrases. [`sealed`] is the record that binds
//! the parts of an image together. [`pushed`] finds the layers that another push may use again.
//! Nothing here touches the network, prompts, prints, or reads the environment.

pub mod crypto_cli;
mod hashing;
pub mod ocicrypt;
mod passphrase;
pub mod pushed;
mod random;
pub mod sealed;
pub mod select;
mod unencrypted;

pub use passphrase::{Passphrase, PassphraseError};
pub use unencrypted::Unencrypted;
