//! Stanzas: the parts of a header for one recipient each.

use base64ct::{Base64Unpadded, Encoding as _};

use crate::HeaderError;
use crate::keys::{Label, WRAPPED, open_file_key};
use crate::scrypt::{self, Block};
use crate::{FileKey, UnwrapError};

/// The length of a full line of a stanza's body, in bytes.
const FULL_LINE: usize = 64;

/// The largest work factor that is read.
const MAX_LOG_N: u8 = 20;

/// Lines that end with LF, taken one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes a line, and returns it without its end.
    pub(crate) fn take(&mut self) -> Result<&'a [u8], HeaderError> {
        let end = self.0.iter().position(|b| *b == b'\n').ok_or(HeaderError::Unfinished)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Ok(line)
    }

    /// Returns the bytes that were not taken.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// A stanza of any kind in its written form.
#[derive(Clone, Copy, Debug)]
pub struct Stanza<'a> {
    /// The arguments: one or more, with one space between two.
    arguments: &'a [u8],
    /// The lines of base64, the last line's end included.
    body: &'a [u8],
}

/// The meaning of a stanza.
pub(crate) enum Wrapped {
    /// A stanza of an unknown kind, which readers pass over.
    Other,
    /// The file key is wrapped with a passphrase.
    Passphrase(Passphrase),
    /// The file key is wrapped to an X25519 key.
    X25519(X25519),
}

/// The stanza of an X25519 recipient.
pub(crate) struct X25519 {
    /// The ephemeral public key.
    pub(crate) share: [u8; 32],
    pub(crate) wrapped: [u8; WRAPPED],
}

impl<'a> Stanza<'a> {
    /// Takes a stanza off the lines, and checks its form, but not its meaning.
    pub(crate) fn take(lines: &mut Lines<'a>) -> Result<Self, HeaderError> {
        let first = lines.take()?;
        let arguments = first.strip_prefix(b"-> ").ok_or(HeaderError::Stanza)?;
        for argument in split(arguments) {
            if argument.is_empty() || !argument.iter().all(u8::is_ascii_graphic) {
                return Err(HeaderError::Stanza);
            }
        }
        let start = lines.rest();
        loop {
            let line = lines.take()?;
            if line.len() > FULL_LINE || decode_line(line, &mut [0; 48]).is_none() {
                return Err(HeaderError::Stanza);
            }
            if line.len() < FULL_LINE {
                break;
            }
        }
        let body = &start[..start.len() - lines.rest().len()];
        Ok(Self { arguments, body })
    }

    /// Returns the arguments. The first one is the kind.
    pub fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        split(self.arguments)
    }

    /// Returns the meaning of the stanza.
    pub(crate) fn wrapped(&self) -> Result<Wrapped, HeaderError> {
        let mut arguments = self.arguments();
        let kind = arguments.next();
        let arguments = [arguments.next(), arguments.next(), arguments.next()];
        match (kind, arguments) {
            (Some(b"X25519"), [Some(share), None, None]) => {
                let share = decode(share).ok_or(HeaderError::Recipient)?;
                Ok(Wrapped::X25519(X25519 { share, wrapped: self.wrapped_key()? }))
            }
            (Some(b"scrypt"), [Some(salt), Some(log_n), None]) => {
                let salt = decode(salt).ok_or(HeaderError::Recipient)?;
                let log_n = work_factor(log_n)?;
                let wrapped = self.wrapped_key()?;
                Ok(Wrapped::Passphrase(Passphrase { salt, log_n, wrapped }))
            }
            (Some(b"X25519" | b"scrypt"), _) => Err(HeaderError::Recipient),
            _ => Ok(Wrapped::Other),
        }
    }

    /// Decodes the body, which must be a wrapped file key.
    fn wrapped_key(&self) -> Result<[u8; WRAPPED], HeaderError> {
        let line = self.body.strip_suffix(b"\n").ok_or(HeaderError::Recipient)?;
        decode(line).ok_or(HeaderError::Recipient)
    }
}

/// The stanza of a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passphrase {
    salt: [u8; 16],
    log_n: u8,
    wrapped: [u8; WRAPPED],
}

impl Passphrase {
    /// Returns the work factor: the logarithm of scrypt's N to the base 2. It is at most 20.
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
        let mut salt = [0; Label::SCRYPT.len() + 16];
        let (label, rest) = salt.split_at_mut(Label::SCRYPT.len());
        label.copy_from_slice(Label::SCRYPT);
        rest.copy_from_slice(&self.salt);
        let key = scrypt::derive(passphrase, &salt, self.log_n, memory);
        open_file_key(&key, &self.wrapped).ok_or(UnwrapError::NoMatch)
    }
}

fn split(arguments: &[u8]) -> impl Iterator<Item = &[u8]> {
    arguments.split(|b| *b == b' ')
}

/// Parses the decimal work factor, which must have its shortest form.
fn work_factor(text: &[u8]) -> Result<u8, HeaderError> {
    let is_shortest = text.first().is_some_and(|b| (b'1'..=b'9').contains(b));
    if !is_shortest || !text.iter().all(u8::is_ascii_digit) {
        return Err(HeaderError::Recipient);
    }
    let number = core::str::from_utf8(text).ok().and_then(|text| text.parse::<u8>().ok());
    number.filter(|log_n| *log_n <= MAX_LOG_N).ok_or(HeaderError::WorkFactor)
}

/// Decodes base64 of exactly `N` bytes.
fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let len = Base64Unpadded::decode(text, &mut bytes).ok()?.len();
    (len == N).then_some(bytes)
}

fn decode_line<'b>(line: &[u8], buffer: &'b mut [u8; 48]) -> Option<&'b [u8]> {
    Base64Unpadded::decode(line, buffer).ok()
}
