//! The response: a line that answers a challenge with the file key, sealed to the start that asked.
//!
//! The key that seals it depends on the challenge, so the answer opens nothing at another start.
//! That key also depends on an ephemeral key, so reading both lines is not enough to open the
//! answer.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::challenge::{self, Challenge};
use sealcrate_agefile::{FileKey, X25519Key, derive};

/// The beginning of every response.
pub const PREFIX: &str = "sealcrate-response-1.";

/// The length of a response without a line end.
pub const LINE_LEN: usize = PREFIX.len() + ENCODED;

/// The length of 64 bytes in base64 without padding.
const ENCODED: usize = 86;

const INFO: &[u8] = b"sealcrate response v1";

/// Tells whether a text is the beginning of a response, and more lines have to follow: it begins like
/// a response, and is shorter.
///
/// A user who copies a long line from a window gets several lines. The blanks among them do not
/// count.
#[inline(never)]
pub fn is_unfinished(text: &[u8]) -> bool {
    let bytes = || text.iter().filter(|byte| !byte.is_ascii_whitespace());
    bytes().take(PREFIX.len()).eq(PREFIX.as_bytes()) && bytes().count() < LINE_LEN
}

/// A response, which is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The answering side's ephemeral public key.
    ephemeral: [u8; 32],
    sealed: [u8; 32],
}

/// Why there is no response, or the response does not open.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The text behind the prefix is not 64 bytes in base64.
    #[error("the response is damaged: a character is wrong or missing")]
    Damaged,
    /// The response answers another challenge.
    #[error("the response is to another challenge")]
    NoMatch,
    /// The line does not begin with [`PREFIX`].
    #[error("it is no response: that begins with {PREFIX}")]
    Prefix,
    /// The other side's public key is a point of low order.
    #[error("the other side's key would give the answer away")]
    Share,
}

impl Classified for ResponseError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

impl Response {
    /// Seals the file key that a challenge asks for. Make the secret key `ephemeral` from fresh
    /// random bytes.
    ///
    /// # Errors
    /// [`ResponseError::Share`]: anybody could open the response.
    pub fn seal(
        challenge: &Challenge<'_>,
        file_key: &FileKey,
        ephemeral: X25519Key,
    ) -> Result<Self, ResponseError> {
        let public = ephemeral.public();
        let shared = ephemeral.shared_with(challenge.stub_key()).ok_or(ResponseError::Share)?;
        let key = key(&shared, &public, challenge.stub_key(), challenge.digest());
        Ok(Self { ephemeral: public, sealed: file_key.seal(&key) })
    }

    /// Parses a line without its end.
    ///
    /// # Errors
    /// The line is no response, or damaged.
    pub fn parse(line: &str) -> Result<Self, ResponseError> {
        let encoded = line.strip_prefix(PREFIX).ok_or(ResponseError::Prefix)?;
        let mut bytes = [0; 64];
        let decoded = Base64UrlUnpadded::decode(encoded, &mut bytes);
        if decoded.map_err(|_| ResponseError::Damaged)?.len() != bytes.len() {
            return Err(ResponseError::Damaged);
        }
        let mut response = Self { ephemeral: [0; 32], sealed: [0; 32] };
        response.ephemeral.copy_from_slice(&bytes[..32]);
        response.sealed.copy_from_slice(&bytes[32..]);
        Ok(response)
    }

    /// Opens the file key with the secret key and the line of the challenge.
    ///
    /// Nobody has [checked][sealcrate_agefile::Header::check] the file key against the header yet.
    ///
    /// # Errors
    /// The response does not answer this challenge, or its public key is a point of low order.
    pub fn open(&self, challenge: &str, secret: &X25519Key) -> Result<FileKey, ResponseError> {
        let shared = secret.shared_with(&self.ephemeral).ok_or(ResponseError::Share)?;
        let digest = challenge::digest(challenge);
        let key = key(&shared, &self.ephemeral, &secret.public(), &digest);
        FileKey::open(&key, &self.sealed).ok_or(ResponseError::NoMatch)
    }
}

impl fmt::Display for Response {
    /// Writes the line without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.ephemeral);
        bytes[32..].copy_from_slice(&self.sealed);
        let mut encoded = [0; ENCODED];
        let encoded = Base64UrlUnpadded::encode(&bytes, &mut encoded).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{encoded}")
    }
}

fn key(
    shared: &[u8; 32],
    ephemeral: &[u8; 32],
    stub_key: &[u8; 32],
    digest: &[u8; 32],
) -> Zeroizing<[u8; 32]> {
    let mut salt = [0; 64];
    salt[..32].copy_from_slice(ephemeral);
    salt[32..].copy_from_slice(stub_key);
    let mut info = [0; INFO.len() + 32];
    info[..INFO.len()].copy_from_slice(INFO);
    info[INFO.len()..].copy_from_slice(digest);
    derive(shared, &salt, &info)
}
