//! Decryption of files that come as streams, and of small ones in memory.

use std::boxed::Box;
use std::io::{self, Read};
use std::vec::Vec;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use super::reader::Reader;
use crate::file::AgeFile;
use crate::file_key::{FileKey, UnwrapError};
use crate::header::{Header, MAX_HEADER};
use crate::identity::Identity;
use crate::stanza::HeaderError;
use crate::stream::{CHUNK, StreamError};

/// The number of bytes that are read at once until the end of the header has come. Most headers are
/// shorter.
const STEP: usize = 1 << 10;

/// A file whose header was read, and whose content follows.
pub struct Decryptor<R> {
    /// The header, the nonce, and the beginning of the content.
    beginning: Vec<u8>,
    header_len: usize,
    input: R,
}

impl<R: Read> Decryptor<R> {
    /// Reads the header. At most 64 KiB are read while it has no end.
    ///
    /// # Errors
    /// The header is malformed; the file ends before its content; reading fails.
    pub fn new(mut input: R) -> Result<Self, DecryptError> {
        let mut beginning = Vec::new();
        let header_len = loop {
            let wanted = STEP.min(MAX_HEADER - beginning.len());
            let read = input.by_ref().take(wanted as u64).read_to_end(&mut beginning)?;
            match Header::parse(&beginning) {
                Ok(header) => break header.bytes().len(),
                // More may follow.
                Err(HeaderError::Unfinished) if read == STEP => {}
                Err(error) => return Err(error.into()),
            }
        };
        let missing = (header_len + 16).saturating_sub(beginning.len());
        input.by_ref().take(missing as u64).read_to_end(&mut beginning)?;
        AgeFile::parse(&beginning)?;
        Ok(Self { beginning, header_len, input })
    }

    /// Returns the header.
    pub fn header(&self) -> Header<'_> {
        *self.file().header()
    }

    /// Unwraps the file key with the first identity that a stanza is for.
    ///
    /// # Errors
    /// No stanza is for any identity; the header was changed.
    pub fn decrypt<'i>(
        self,
        identities: impl IntoIterator<Item = &'i dyn Identity>,
    ) -> Result<Reader<R>, DecryptError> {
        let file_key = unwrap(&self.header(), identities)?;
        let payload_key = self.file().payload_key(&file_key);
        let content = &self.beginning[self.header_len + 16..];
        Ok(Reader::new(&payload_key, content, self.input))
    }

    fn file(&self) -> AgeFile<'_> {
        AgeFile::parse(&self.beginning).expect("it has been parsed")
    }
}

impl<R> core::fmt::Debug for Decryptor<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Decryptor")
    }
}

/// Unwraps the file key with the first identity that a stanza is for.
fn unwrap<'i>(
    header: &Header<'_>,
    identities: impl IntoIterator<Item = &'i dyn Identity>,
) -> Result<FileKey, UnwrapError> {
    let mut unwrapped = identities.into_iter().map(|identity| header.unwrap(identity));
    let mine = unwrapped.find(|result| !matches!(result, Err(UnwrapError::NoMatch)));
    mine.unwrap_or(Err(UnwrapError::NoMatch))
}

/// Decrypts a file that is in memory.
///
/// # Errors
/// As of [`Decryptor`]; the content was changed.
pub fn decrypt<'i>(
    identities: impl IntoIterator<Item = &'i dyn Identity>,
    file: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let parsed = AgeFile::parse(file)?;
    let file_key = unwrap(parsed.header(), identities)?;
    // The vector has room for all of the content: one that grows would leave pieces of it behind.
    let mut content = Zeroizing::new(Vec::with_capacity(file.len()));
    let mut chunks = parsed.chunks(&file_key);
    let mut buffer = Box::new(Zeroizing::new([0; CHUNK]));
    while let Some(chunk) = chunks.next(&mut buffer)? {
        content.extend_from_slice(chunk);
    }
    Ok(content)
}

/// Why a file is not decrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The header is malformed.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The file cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// The content was changed.
    #[error("{0}")]
    Stream(#[from] StreamError),
    /// The key does not open it.
    #[error("{0}")]
    Unwrap(#[from] UnwrapError),
}

impl Classified for DecryptError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Header(_) | Self::Read(_) | Self::Stream(_) | Self::Unwrap(_) => None,
        }
    }
}
