//! The content of an age file: chunks of 64 KiB. Each has a number, and a mark if it is the last.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _, Nonce, Tag};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// The length of a chunk's content in bytes. Only the last chunk's may differ.
pub const CHUNK: usize = 64 << 10;

pub(crate) const TAG: usize = 16;

/// Says that a chunk was changed, or that a part is missing or was added.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the payload is damaged")]
pub struct StreamError;

impl Classified for StreamError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

/// The nonces of a file's chunks, in their order: eleven bytes for the number, and one that marks the
/// last chunk.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    number: u64,
}

impl Nonces {
    /// Tells whether no nonce has been taken yet.
    pub(crate) fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Takes the nonce of the next chunk.
    pub(crate) fn take(&mut self, is_last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.number.to_be_bytes());
        nonce[11] = u8::from(is_last);
        self.number += 1;
        nonce
    }
}

/// The chunks of one file, opened in their order.
pub struct Chunks<'a> {
    cipher: ChaCha20Poly1305,
    /// The chunks that are not open yet, or `None` after the last chunk.
    sealed: Option<&'a [u8]>,
    nonces: Nonces,
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(key: &[u8; 32], sealed: &'a [u8]) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new(key.into()),
            sealed: Some(sealed),
            nonces: Nonces::default(),
        }
    }

    /// Opens the next chunk into a buffer, and returns its content. Returns `None` after the last
    /// chunk.
    ///
    /// Only then do you know that the chunks before were the whole content.
    ///
    /// # Errors
    /// The chunk is not authentic, or cannot stand in this place. After an error there are errors
    /// alone.
    // Not inlined, so that the compiler optimises it with this crate's settings.
    #[inline(never)]
    pub fn next<'b>(
        &mut self,
        buffer: &'b mut [u8; CHUNK],
    ) -> Result<Option<&'b [u8]>, StreamError> {
        let Some(sealed) = self.sealed else { return Ok(None) };
        // Nothing is no chunk. So an error is not taken for the end when somebody asks again.
        self.sealed = Some(&[]);
        let is_last = sealed.len() <= CHUNK + TAG;
        let (chunk, rest) = sealed.split_at(sealed.len().min(CHUNK + TAG));
        let (chunk, tag) = chunk.split_at(chunk.len().checked_sub(TAG).ok_or(StreamError)?);
        // Only an empty file has an empty chunk.
        if chunk.is_empty() && !self.nonces.is_first() {
            return Err(StreamError);
        }
        let content = &mut buffer[..chunk.len()];
        let nonce = self.nonces.take(is_last);
        let tag = Tag::try_from(tag).map_err(|_| StreamError)?;
        let places = InOutBuf::new(chunk, content).map_err(|_| StreamError)?;
        self.cipher
            .decrypt_inout_detached(&Nonce::from(nonce), &[], places, &tag)
            .map_err(|_| StreamError)?;
        self.sealed = (!is_last).then_some(rest);
        Ok(Some(&buffer[..chunk.len()]))
    }
}

impl core::fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Chunks").field("nonces", &self.nonces).finish_non_exhaustive()
    }
}
