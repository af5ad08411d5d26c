//! Encrypts and decrypts images: [`Image`](sealcrate_image::Image) in,
//! [`Image`](sealcrate_image::Image) out.
//!
//! [`formats`] recognises and opens images of every format, and [`mod@format`] is the seam that a format
//! implements. [`crypto_cli`] is crypto-cli's image format, which wraps keys under a passphrase.
//! [`ocicrypt`] is OCI image encryption, which wraps keys to public keys and passphrases. [`select`]
//! chooses layers. [`sealed`] is the record that binds the parts of an image together. [`pushed`] finds
//! the layers that another push may use again.
//!
//! Nothing here touches the network, prompts, prints, or reads the environment.

mod class;
pub mod crypto_cli;
pub mod format;
pub mod formats;
mod hashing;
pub mod ocicrypt;
mod passphrase;
pub mod pushed;
mod random;
pub mod sealed;
pub mod select;
mod unencrypted;

pub use class::class;
pub use passphrase::{Passphrase, PassphraseError};
pub use unencrypted::Unencrypted;
