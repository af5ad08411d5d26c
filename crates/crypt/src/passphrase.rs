//! Passphrases, which are wiped from memory when they are dropped.

use std::fmt;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

/// A passphrase, from which keys are derived: bytes, usually UTF-8, never empty.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes a passphrase as the user typed it.
    ///
    /// # Errors
    /// The passphrase is empty.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, PassphraseError> {
        if bytes.is_empty() {
            return Err(PassphraseError::Empty);
        }
        Ok(Self(bytes))
    }

    /// Takes what a file, a variable or an argument holds: one LF or CRLF at its end does not count.
    ///
    /// # Errors
    /// An empty one.
    pub fn from_text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Self, PassphraseError> {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self::new(bytes)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Why bytes are no passphrase.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassphraseError {
    /// There are no bytes.
    #[error("the passphrase is empty")]
    Empty,
}

impl Classified for PassphraseError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> Result<Vec<u8>, PassphraseError> {
        Passphrase::from_text(Zeroizing::new(content.to_vec()))
            .map(|passphrase| passphrase.as_bytes().to_vec())
    }

    #[test]
    fn one_line_end_is_removed_from_a_file_and_nothing_else() {
        assert_eq!(file(b"abc").unwrap(), b"abc");
        assert_eq!(file(b"abc\n").unwrap(), b"abc");
        assert_eq!(file(b"abc\r\n").unwrap(), b"abc");
        assert_eq!(file(b"abc\n\n").unwrap(), b"abc\n");
        assert_eq!(file(b"abc\r").unwrap(), b"abc\r");
        assert_eq!(file(b" abc ").unwrap(), b" abc ");
        assert_eq!(file(b"\xff\n").unwrap(), b"\xff");
    }

    #[test]
    fn empty_passphrases_are_refused() {
        for content in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(file(content), Err(PassphraseError::Empty));
        }
    }

    #[test]
    fn debug_does_not_tell() {
        let passphrase = Passphrase::new(Zeroizing::new(b"secret".to_vec())).unwrap();
        assert_eq!(format!("{passphrase:?}"), "Passphrase(..)");
    }
}
