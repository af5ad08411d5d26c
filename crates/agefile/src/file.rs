//! An age file: the header, a nonce, and the chunks of its content.

#[cfg(feature = "host")]
use zeroize::Zeroizing;

use crate::file_key::FileKey;
use crate::header::Header;
use crate::stanza::HeaderError;
use crate::stream::Chunks;

/// A parsed age file. Nothing of it is authenticated yet.
#[derive(Clone, Copy, Debug)]
pub struct AgeFile<'a> {
    header: Header<'a>,
    nonce: &'a [u8; 16],
    sealed: &'a [u8],
}

impl<'a> AgeFile<'a> {
    /// Parses the header, and takes the bytes behind it as content.
    ///
    /// # Errors
    /// The header is malformed, or there is no whole nonce after it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let header = Header::parse(bytes)?;
        let rest = &bytes[header.bytes().len()..];
        let (nonce, sealed) = rest.split_first_chunk().ok_or(HeaderError::Nonce)?;
        Ok(Self { header, nonce, sealed })
    }

    /// Returns the header.
    pub fn header(&self) -> &Header<'a> {
        &self.header
    }

    /// Derives the key of the content.
    #[cfg(feature = "host")]
    pub(crate) fn payload_key(&self, file_key: &FileKey) -> Zeroizing<[u8; 32]> {
        file_key.payload_key(self.nonce)
    }

    /// Returns the chunks of the content, which are opened one after the other.
    ///
    /// Use the file key of this file's header, or [check][Header::check] the key against the header
    /// before.
    pub fn chunks(&self, file_key: &FileKey) -> Chunks<'a> {
        Chunks::new(&file_key.payload_key(self.nonce), self.sealed)
    }
}
