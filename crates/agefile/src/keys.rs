//! The file key, the keys that wrap it, and the keys that are derived from it.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// The length of a wrapped file key in bytes: 16 bytes and a tag.
pub const WRAPPED: usize = 32;

/// The labels that separate the uses of keys.
pub(crate) struct Label;

impl Label {
    const HEADER: &'static [u8] = b"header";
    const PAYLOAD: &'static [u8] = b"payload";
    pub(crate) const SCRYPT: &'static [u8] = b"age-encryption.org/v1/scrypt";
    pub(crate) const X25519: &'static [u8] = b"age-encryption.org/v1/X25519";
}

/// Why a key opens no file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnwrapError {
    /// The header does not fit the file key in it.
    #[error("the age header was changed")]
    Mac,
    /// No stanza is for this key.
    #[error("the key is another one")]
    NoMatch,
    /// A stanza's share is a point of low order.
    #[error("the age header has a recipient that gives its key away")]
    Share,
}

/// The key of one age file, wiped when it is dropped.
pub struct FileKey([u8; 16]);

impl FileKey {
    /// Tells whether `mac` is the MAC of `header` under this file key.
    pub(crate) fn has_mac(&self, header: &[u8], mac: &[u8; 32]) -> bool {
        let key = derive(&self.0, &[], Label::HEADER);
        let mut hmac = Hmac::<Sha256>::new_from_slice(&*key).expect("a key of any length");
        hmac.update(header);
        hmac.verify_slice(mac).is_ok()
    }

    /// Derives the key of the content.
    pub(crate) fn payload_key(&self, nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        derive(&self.0, nonce, Label::PAYLOAD)
    }
}

impl Drop for FileKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl core::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FileKey")
    }
}

/// Derives 32 bytes with HKDF-SHA-256.
pub fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(Some(salt), secret).expand(info, &mut *key);
    expanded.expect("32 bytes are not too many");
    key
}

/// Opens a file key that was sealed under `key`, which has no other use.
pub fn open_file_key(key: &[u8; 32], wrapped: &[u8; WRAPPED]) -> Option<FileKey> {
    let (sealed, tag) = wrapped.split_at(16);
    let mut file_key = FileKey([0; 16]);
    let buffer = InOutBuf::new(sealed, &mut file_key.0).ok()?;
    let tag = Tag::try_from(tag).ok()?;
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(&Nonce::default(), &[], buffer, &tag)
        .ok()?;
    Some(file_key)
}

/// Seals a file key under `key`, which has no other use.
pub fn seal_file_key(key: &[u8; 32], file_key: &FileKey) -> [u8; WRAPPED] {
    let mut wrapped = [0; WRAPPED];
    let (sealed, tag_at) = wrapped.split_at_mut(16);
    let buffer = InOutBuf::new(&file_key.0, sealed).expect("of the same length");
    let tag = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&Nonce::default(), &[], buffer)
        .expect("sixteen bytes are not too many");
    tag_at.copy_from_slice(&tag);
    wrapped
}
