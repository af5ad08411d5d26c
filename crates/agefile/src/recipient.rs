//! The seam between headers and the kinds of recipients.

use std::io;
use std::string::String;
use std::vec::Vec;

use base64ct::{Base64Unpadded, Encoding as _};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::file_key::FileKey;
use crate::random::NoRandomness;
use crate::stanza::{FULL_LINE, HeaderError};

/// A public key or a passphrase, to which file keys are wrapped.
pub trait Recipient {
    /// Wraps a file key, into one stanza or several.
    ///
    /// # Errors
    /// The system gives no random bytes, or everybody could open the stanza.
    fn wrap(&self, file_key: &FileKey) -> Result<Vec<NewStanza>, EncryptError>;
}

/// A new stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStanza {
    /// The kind: one printable ASCII character or more, and no blank.
    pub kind: Vec<u8>,
    /// The arguments behind the kind. Each is written as the kind is.
    pub arguments: Vec<Vec<u8>>,
    /// The body, which is written in base64.
    pub body: Vec<u8>,
}

impl NewStanza {
    /// Writes the lines of the stanza.
    pub(crate) fn write(&self, header: &mut Vec<u8>) {
        header.extend_from_slice(b"->");
        for argument in [&self.kind].into_iter().chain(&self.arguments) {
            header.push(b' ');
            header.extend_from_slice(argument);
        }
        header.push(b'\n');
        let encoded: String = Base64Unpadded::encode_string(&self.body);
        let mut lines = encoded.as_bytes().chunks_exact(FULL_LINE);
        for line in &mut lines {
            header.extend_from_slice(line);
            header.push(b'\n');
        }
        // The last line is shorter than the others, and may be empty.
        header.extend_from_slice(lines.remainder());
        header.push(b'\n');
    }
}

/// Why a file cannot be encrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The recipients make no header that may be read.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The system gives no random bytes.
    #[error("{0}")]
    NoRandomness(#[from] NoRandomness),
    /// There is nobody who could open it.
    #[error("there is no recipient")]
    NoRecipient,
    /// A recipient's key is a point of low order.
    #[error("the key of a recipient would give the content away")]
    Share,
    /// The file cannot be written.
    #[error("the age file cannot be written")]
    Write(#[source] io::Error),
}

impl Classified for EncryptError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NoRecipient | Self::Share => Some(ErrorClass::Failure),
            Self::Header(_) | Self::NoRandomness(_) | Self::Write(_) => None,
        }
    }
}
