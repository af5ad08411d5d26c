//! Encrypts and decrypts images: [`Image`](sealcrate_image::Image) in,
//! [`Image`](sealcrate_image::Image) out.
//!
//! [`select`] chooses layers, [`senetas`] is crypto-cli's image format with its key wrapping under a
//! passphrase, and [`dare`] the stream in which it holds layers. [`ocicrypt`] is OCI image encryption,
//! to public keys, [`pushed`] what of an image another push may use again. Nothing here touches the network, prompts, prints, or
//! reads the environment.

pub mod dare;
mod hashing;
pub mod ocicrypt;
mod passphrase;
pub mod pushed;
mod random;
pub mod sealed;
pub mod select;
pub mod senetas;
mod unencrypted;

pub use passphrase::{Passphrase, PassphraseError};
pub use unencrypted::Unencrypted;
