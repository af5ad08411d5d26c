//! The file key, and the keys that are derived from it.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sealcrate_errors::{Classified, ErrorClass};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// The length of a wrapped file key in bytes: 16 bytes and a tag.
pub const WRAPPED: usize = 32;

/// The uses of a file key, which separate the keys that are derived from it.
const HEADER: &[u8] = b"header";
const PAYLOAD: &[u8] = b"payload";

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

impl Classified for UnwrapError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NoMatch | Self::Share => Some(ErrorClass::Key),
            Self::Mac => Some(ErrorClass::Damaged),
        }
    }
}

/// The key of one age file, wiped when it is dropped.
pub struct FileKey([u8; 16]);

impl FileKey {
    /// Takes the bytes of a file key.
    #[cfg(feature = "host")]
    pub(crate) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Opens a file key that was sealed under `key`, which has no other use.
    pub fn open(key: &[u8; 32], wrapped: &[u8; WRAPPED]) -> Option<Self> {
        let (sealed, tag) = wrapped.split_at(16);
        let mut file_key = Self([0; 16]);
        let buffer = InOutBuf::new(sealed, &mut file_key.0).ok()?;
        let tag = Tag::try_from(tag).ok()?;
        ChaCha20Poly1305::new(key.into())
            .decrypt_inout_detached(&Nonce::default(), &[], buffer, &tag)
            .ok()?;
        Some(file_key)
    }

    /// Seals this file key under `key`, which has no other use.
    pub fn seal(&self, key: &[u8; 32]) -> [u8; WRAPPED] {
        let mut wrapped = [0; WRAPPED];
        let (sealed, tag_at) = wrapped.split_at_mut(16);
        let buffer = InOutBuf::new(&self.0, sealed).expect("of the same length");
        let tag = ChaCha20Poly1305::new(key.into())
            .encrypt_inout_detached(&Nonce::default(), &[], buffer)
            .expect("sixteen bytes are not too many");
        tag_at.copy_from_slice(&tag);
        wrapped
    }

    /// Tells whether `mac` is the MAC of `header` under this file key.
    pub(crate) fn has_mac(&self, header: &[u8], mac: &[u8; 32]) -> bool {
        // The comparison takes the same time for every MAC.
        self.hmac(header).verify_slice(mac).is_ok()
    }

    /// Returns the MAC of `header` under this file key.
    #[cfg(feature = "host")]
    pub(crate) fn mac(&self, header: &[u8]) -> [u8; 32] {
        self.hmac(header).finalize().into_bytes().into()
    }

    fn hmac(&self, header: &[u8]) -> Hmac<Sha256> {
        let key = derive(&self.0, &[], HEADER);
        let mut hmac = Hmac::<Sha256>::new_from_slice(&*key).expect("a key of any length");
        hmac.update(header);
        hmac
    }

    /// Derives the key of the content.
    pub(crate) fn payload_key(&self, nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        derive(&self.0, nonce, PAYLOAD)
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
