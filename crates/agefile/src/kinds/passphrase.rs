//! Passphrases: stanzas of the kind `scrypt`. Such a stanza is the only one of its file.

#[cfg(feature = "host")]
mod host;

use crate::file_key::{FileKey, UnwrapError, WRAPPED};
use crate::scrypt::{self, Block};
use crate::stanza::{HeaderError, Stanza, decode};

#[cfg(feature = "host")]
pub use host::{Identity, Recipient};

/// The largest work factor that is read and written: N is 2 to this power, which takes 1 GiB.
pub const MAX_WORK_FACTOR: u8 = 20;

pub(crate) const KIND: &[u8] = b"scrypt";

/// Stands before the salt.
const LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

/// The length of the salt in bytes.
const SALT: usize = 16;

/// The stanza of a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passphrase {
    salt: [u8; SALT],
    log_n: u8,
    wrapped: [u8; WRAPPED],
}

impl Passphrase {
    /// Reads a stanza of this kind.
    pub(crate) fn parse(stanza: &Stanza<'_>) -> Result<Self, HeaderError> {
        let [salt, log_n] = stanza.arguments_of(KIND).ok_or(HeaderError::Recipient)?;
        let salt = decode(salt).ok_or(HeaderError::Recipient)?;
        let log_n = work_factor(log_n)?;
        let wrapped = stanza.decoded_body().ok_or(HeaderError::Recipient)?;
        Ok(Self { salt, log_n, wrapped })
    }

    /// Returns the work factor: the logarithm of scrypt's N to the base 2. It is at most
    /// [`MAX_WORK_FACTOR`].
    pub fn log_n(&self) -> u8 {
        self.log_n
    }

    /// Derives a key from a passphrase in `memory`, and unwraps the file key. [`scrypt::blocks`]
    /// returns how much memory is needed.
    ///
    /// Nobody has [checked][crate::Header::check] the file key against the header yet.
    ///
    /// # Errors
    /// [`UnwrapError::NoMatch`]: the passphrase is another one.
    pub fn unwrap(&self, passphrase: &[u8], memory: &mut [Block]) -> Result<FileKey, UnwrapError> {
        let key = scrypt::derive(passphrase, &salted(&self.salt), self.log_n, memory);
        FileKey::open(&key, &self.wrapped).ok_or(UnwrapError::NoMatch)
    }
}

/// Returns the salt of scrypt.
fn salted(salt: &[u8; SALT]) -> [u8; LABEL.len() + SALT] {
    let mut bytes = [0; LABEL.len() + SALT];
    let (label, rest) = bytes.split_at_mut(LABEL.len());
    label.copy_from_slice(LABEL);
    rest.copy_from_slice(salt);
    bytes
}

/// Parses the decimal work factor, which must have its shortest form.
fn work_factor(text: &[u8]) -> Result<u8, HeaderError> {
    let is_shortest = text.first().is_some_and(|b| (b'1'..=b'9').contains(b));
    if !is_shortest || !text.iter().all(u8::is_ascii_digit) {
        return Err(HeaderError::Recipient);
    }
    let number = core::str::from_utf8(text).ok().and_then(|text| text.parse::<u8>().ok());
    number.filter(|log_n| *log_n <= MAX_WORK_FACTOR).ok_or(HeaderError::WorkFactor)
}
