//! AES-256-GCM by another implementation than the product's.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};

/// Encrypts `msg`, and appends the tag.
pub(crate) fn seal(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    cipher(key)
        .encrypt(&Nonce::from(nonce), Payload { msg, aad })
        .expect("the inputs are far below the bounds of the cipher")
}

/// Decrypts `msg`, whose tag comes last, or returns `None` if it does not authenticate.
pub(crate) fn open(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Option<Vec<u8>> {
    cipher(key).decrypt(&Nonce::from(nonce), Payload { msg, aad }).ok()
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
}
