//! Stanzas: the parts of a header for one recipient each.

use base64ct::{Base64Unpadded, Encoding as _};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// The length of a full line of a stanza's body, in bytes.
pub(crate) const FULL_LINE: usize = 64;

/// Why some bytes do not begin with the header of an age file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The line of the MAC is malformed.
    #[error("the age header's last line is malformed")]
    Mac,
    /// A passphrase is not the only recipient.
    #[error("the age header has a passphrase beside other recipients")]
    Mixed,
    /// The content has no nonce.
    #[error("the age file ends after its header")]
    Nonce,
    /// A recipient of a known kind is malformed.
    #[error("the age header has a malformed recipient")]
    Recipient,
    /// A line that must begin a stanza does not.
    #[error("the age header is malformed")]
    Stanza,
    /// The header has no end within 64 KiB.
    #[error("the age header has no end within 64 KiB")]
    Unfinished,
    /// It is not version 1 of the format.
    #[error("there is no age file of version 1")]
    Version,
    /// A passphrase has a work factor of more than 20.
    #[error("the age header's work factor is more than 20")]
    WorkFactor,
}

impl Classified for HeaderError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

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

    /// Returns the kind: the first argument.
    pub fn kind(&self) -> &'a [u8] {
        self.arguments().next().unwrap_or_default()
    }

    /// Returns the arguments behind the kind, if this is the kind and there are `N` arguments.
    pub(crate) fn arguments_of<const N: usize>(&self, kind: &[u8]) -> Option<[&'a [u8]; N]> {
        let mut arguments = self.arguments();
        arguments.next().filter(|first| *first == kind)?;
        let mut taken = [&[][..]; N];
        for place in &mut taken {
            *place = arguments.next()?;
        }
        arguments.next().is_none().then_some(taken)
    }

    /// Decodes the body into a buffer, if it is one line.
    pub fn body<'b>(&self, buffer: &'b mut [u8; 48]) -> Option<&'b [u8]> {
        decode_line(self.body.strip_suffix(b"\n")?, buffer)
    }

    /// Decodes a body of `N` bytes, which is one line.
    pub(crate) fn decoded_body<const N: usize>(&self) -> Option<[u8; N]> {
        decode(self.body.strip_suffix(b"\n")?)
    }
}

fn split(arguments: &[u8]) -> impl Iterator<Item = &[u8]> {
    arguments.split(|b| *b == b' ')
}

/// Decodes base64 of exactly `N` bytes.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let len = Base64Unpadded::decode(text, &mut bytes).ok()?.len();
    (len == N).then_some(bytes)
}

fn decode_line<'b>(line: &[u8], buffer: &'b mut [u8; 48]) -> Option<&'b [u8]> {
    Base64Unpadded::decode(line, buffer).ok()
}
