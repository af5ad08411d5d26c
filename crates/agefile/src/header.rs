//! The header of an age file: the version, stanzas, and a MAC over both.

use base64ct::{Base64Unpadded, Encoding as _};

use crate::file_key::{FileKey, UnwrapError};
use crate::identity::Identity;
use crate::kinds::Known;
use crate::kinds::passphrase::Passphrase;
use crate::stanza::{HeaderError, Lines, Stanza};

/// The beginning of every header.
pub(crate) const VERSION: &[u8] = b"age-encryption.org/v1\n";

/// The beginning of the MAC's line. The header is authenticated up to the end of these bytes.
pub(crate) const MAC_MARK: &[u8] = b"---";

/// The longest header that is read, in bytes. It has room for some five hundred recipients.
pub(crate) const MAX_HEADER: usize = 64 << 10;

/// A parsed header. It is authentic only if a file key [fits][Header::check] it.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The whole header, up to the end of the MAC's line.
    bytes: &'a [u8],
    /// The part that the MAC covers.
    authenticated: &'a [u8],
    mac: [u8; 32],
    passphrase: Option<Passphrase>,
}

impl<'a> Header<'a> {
    /// Parses the header at the beginning of `bytes`, with all its stanzas.
    ///
    /// # Errors
    /// The header is malformed, too long, or of another version; a stanza is not allowed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bounded = &bytes[..bytes.len().min(MAX_HEADER)];
        let stanzas = bounded.strip_prefix(VERSION).ok_or(HeaderError::Version)?;
        let mut lines = Lines::new(stanzas);
        let (mut count, mut passphrase) = (0, None);
        while !lines.rest().starts_with(MAC_MARK) {
            if let Known::Passphrase(found) = Known::of(&Stanza::take(&mut lines)?)? {
                passphrase = Some(found);
            }
            count += 1;
        }
        match (count, passphrase) {
            (0, _) => return Err(HeaderError::Stanza),
            (1, _) | (_, None) => {}
            (_, Some(_)) => return Err(HeaderError::Mixed),
        }
        let mac_at = bounded.len() - lines.rest().len();
        let line = lines.take()?;
        let encoded = line[MAC_MARK.len()..].strip_prefix(b" ").ok_or(HeaderError::Mac)?;
        let mut mac = [0; 32];
        match Base64Unpadded::decode(encoded, &mut mac) {
            Ok(decoded) if decoded.len() == 32 => {}
            _ => return Err(HeaderError::Mac),
        }
        Ok(Self {
            bytes: &bounded[..bounded.len() - lines.rest().len()],
            authenticated: &bounded[..mac_at + MAC_MARK.len()],
            mac,
            passphrase,
        })
    }

    /// Returns the bytes of the header, the end of its last line included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the stanza of the passphrase, if the file has one. Such a file has no other
    /// recipient.
    pub fn passphrase(&self) -> Option<&Passphrase> {
        self.passphrase.as_ref()
    }

    /// Returns the stanzas, in their order.
    pub fn stanzas(&self) -> impl Iterator<Item = Stanza<'a>> + use<'a> {
        let between = &self.authenticated[VERSION.len()..self.authenticated.len() - MAC_MARK.len()];
        let mut lines = Lines::new(between);
        core::iter::from_fn(move || Stanza::take(&mut lines).ok())
    }

    /// Unwraps the file key with an identity, and checks the header with it.
    ///
    /// # Errors
    /// No stanza is for this identity, or the header was changed.
    pub fn unwrap<I: Identity + ?Sized>(&self, identity: &I) -> Result<FileKey, UnwrapError> {
        for stanza in self.stanzas() {
            if let Some(file_key) = identity.unwrap_stanza(&stanza)? {
                self.check(&file_key)?;
                return Ok(file_key);
            }
        }
        Err(UnwrapError::NoMatch)
    }

    /// Checks that a writer with `file_key` wrote this header.
    ///
    /// # Errors
    /// [`UnwrapError::Mac`]: the key is another one, or somebody changed the header.
    pub fn check(&self, file_key: &FileKey) -> Result<(), UnwrapError> {
        if file_key.has_mac(self.authenticated, &self.mac) { Ok(()) } else { Err(UnwrapError::Mac) }
    }
}
