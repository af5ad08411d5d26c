//! The challenge: a line that a program without a key shows to somebody who has the key elsewhere.
//!
//! It holds a public key that the start made for itself, and the age header of the payload. The
//! answering side must read the header from the program itself, not from the line: see
//! [`Challenge::header`].

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sealcrate_errors::{Classified, ErrorClass};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use sealcrate_agefile::{Header, HeaderError};

/// The beginning of every challenge.
pub const PREFIX: &str = "sealcrate-challenge-1.";

/// A parsed challenge.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    stub_key: [u8; 32],
    header: Header<'a>,
    digest: [u8; 32],
}

/// Why a line is no challenge.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChallengeError {
    /// The text behind the prefix is not base64, or too short.
    #[error("the challenge is damaged: a character is wrong or missing")]
    Damaged,
    /// The line holds no age header.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The line does not begin with [`PREFIX`].
    #[error("it is no challenge: that begins with {PREFIX}")]
    Prefix,
}

impl Classified for ChallengeError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Prefix => Some(ErrorClass::Usage),
            Self::Damaged | Self::Header(_) => Some(ErrorClass::Damaged),
        }
    }
}

/// Eighty bits of a challenge's digest, for people to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 10]);

/// Returns the length of the challenge for a header of the length `header_len`.
pub fn line_len(header_len: usize) -> usize {
    PREFIX.len() + ((32 + header_len) * 4).div_ceil(3)
}

/// Writes a challenge, without line end, into a buffer of [its length][line_len].
///
/// # Panics
/// The buffer has another length.
pub fn write<'b>(stub_key: &[u8; 32], header: &Header<'_>, line: &'b mut [u8]) -> &'b str {
    let header = header.bytes();
    assert_eq!(line.len(), line_len(header.len()), "the length of the challenge");
    let (prefix, encoded) = line.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX.as_bytes());
    // 48 bytes become 64 characters: the key and the first 16 bytes of the header, then the rest.
    let (start, rest) = header.split_at(header.len().min(16));
    let mut first = [0; 48];
    first[..32].copy_from_slice(stub_key);
    first[32..][..start.len()].copy_from_slice(start);
    let (first_encoded, rest_encoded) = encoded.split_at_mut(encoded.len().min(64));
    encode(&first[..32 + start.len()], first_encoded);
    encode(rest, rest_encoded);
    core::str::from_utf8(line).expect("base64 is ASCII")
}

fn encode(bytes: &[u8], to: &mut [u8]) {
    Base64UrlUnpadded::encode(bytes, to).expect("a buffer of the right length");
}

/// Returns the length of the buffer that [`Challenge::parse`] needs for a line.
pub fn buffer_len(line: &str) -> usize {
    line.len().saturating_sub(PREFIX.len()) * 3 / 4
}

impl<'a> Challenge<'a> {
    /// Parses a line without its end. The buffer has at least [this length][buffer_len].
    ///
    /// # Errors
    /// The line is no challenge, or damaged.
    pub fn parse(line: &str, buffer: &'a mut [u8]) -> Result<Self, ChallengeError> {
        let encoded = line.strip_prefix(PREFIX).ok_or(ChallengeError::Prefix)?;
        let decoded = Base64UrlUnpadded::decode(encoded, buffer);
        let decoded = decoded.map_err(|_| ChallengeError::Damaged)?;
        let (stub_key, rest) = decoded.split_first_chunk().ok_or(ChallengeError::Damaged)?;
        let header = Header::parse(rest)?;
        if header.bytes().len() != rest.len() {
            return Err(ChallengeError::Damaged);
        }
        Ok(Self { stub_key: *stub_key, header, digest: digest(line) })
    }

    /// Returns the public key of the start that asks for an answer.
    pub fn stub_key(&self) -> &[u8; 32] {
        &self.stub_key
    }

    /// Returns the header whose file key the start asks for.
    ///
    /// Check that it is the header of a program that you mean to start. A challenge may hold the
    /// header of any age file of the same key, and the answer gives that file away.
    pub fn header(&self) -> &Header<'a> {
        &self.header
    }

    /// Returns the SHA-256 of the line.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Returns the fingerprint for people to compare.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_digest(&self.digest)
    }
}

impl Fingerprint {
    /// Returns the fingerprint of a line without its end.
    pub fn of(line: &str) -> Self {
        Self::of_digest(&digest(line))
    }

    fn of_digest(digest: &[u8; 32]) -> Self {
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&digest[..10]);
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    /// Writes five groups of four hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, pair) in self.0.chunks_exact(2).enumerate() {
            let separator = if i == 0 { "" } else { "-" };
            write!(f, "{separator}{:02x}{:02x}", pair[0], pair[1])?;
        }
        Ok(())
    }
}

pub(crate) fn digest(line: &str) -> [u8; 32] {
    Sha256::digest(line.as_bytes()).into()
}
