//! The cipher of the content, in the place where the content is.

use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _, Nonce, Tag};

use crate::stream::{Nonces, StreamError, TAG};

/// Opens the chunks of one file in their places, one after the other.
pub(super) struct Opener {
    cipher: ChaCha20Poly1305,
    nonces: Nonces,
}

impl Opener {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(key.into()), nonces: Nonces::default() }
    }

    /// Opens the next chunk, and returns the length of its content.
    pub(super) fn open(&mut self, chunk: &mut [u8], is_last: bool) -> Result<usize, StreamError> {
        let len = chunk.len().checked_sub(TAG).ok_or(StreamError)?;
        // Only an empty file has an empty chunk.
        if len == 0 && !self.nonces.is_first() {
            return Err(StreamError);
        }
        let (content, tag) = chunk.split_at_mut(len);
        let tag = Tag::try_from(&*tag).map_err(|_| StreamError)?;
        let nonce = self.nonces.take(is_last);
        self.cipher
            .decrypt_inout_detached(&Nonce::from(nonce), &[], content.into(), &tag)
            .map_err(|_| StreamError)?;
        Ok(len)
    }
}

/// Seals the chunks of one file in their places, one after the other.
pub(super) struct Sealer {
    cipher: ChaCha20Poly1305,
    nonces: Nonces,
}

impl Sealer {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(key.into()), nonces: Nonces::default() }
    }

    /// Seals the next chunk, and returns its tag.
    pub(super) fn seal(&mut self, chunk: &mut [u8], is_last: bool) -> [u8; TAG] {
        let nonce = self.nonces.take(is_last);
        let tag = self.cipher.encrypt_inout_detached(&Nonce::from(nonce), &[], chunk.into());
        tag.expect("64 KiB are not too many").into()
    }
}
