//! Keys that open packed programs on the host.

use std::fmt;

use sealcrate_agefile::passphrase;
use sealcrate_agefile::x25519::Identity;
use sealcrate_agefile::{FileKey, Header, UnwrapError};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_packfile::{KeyOddity, KeyText, KeyTextError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Recipient;

/// The most memory in which a passphrase is tried: 2 to the power of it, in KiB. If a header asks for
/// more, the try takes longer.
const MAX_LOG_MEMORY: u8 = 18;

/// A passphrase, or identities, in the form that a program takes at its start.
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// Parses the text of a variable or file. The text has no line end behind it any more.
    ///
    /// # Errors
    /// The text is empty or too long, or an identity is mistyped.
    pub fn parse(text: Zeroizing<Vec<u8>>) -> Result<Self, KeyTextError> {
        KeyText::parse(&text)?;
        Ok(Self(text))
    }

    /// Tells whether it is a passphrase.
    pub fn is_passphrase(&self) -> bool {
        matches!(self.text(), KeyText::Passphrase(_))
    }

    /// Unwraps the file key of a header. If this succeeds, the header is authentic.
    ///
    /// # Errors
    /// The header is for another key, or was changed.
    pub fn unwrap(&self, header: &Header<'_>) -> Result<FileKey, KeyError> {
        let failed = |error| match error {
            UnwrapError::NoMatch => KeyError::Wrong,
            other => KeyError::Header(other),
        };
        match (self.text(), header.passphrase()) {
            (KeyText::Identities(identities), None) => {
                let results = identities.iter().map(|identity| header.unwrap(&identity));
                let mine =
                    results.into_iter().find(|result| !matches!(result, Err(UnwrapError::NoMatch)));
                mine.unwrap_or(Err(UnwrapError::NoMatch)).map_err(failed)
            }
            (KeyText::Identities(_), Some(_)) => Err(KeyError::NeedsPassphrase),
            (KeyText::Passphrase(text), None) => Err(match KeyOddity::of_identity(text) {
                Some(oddity) => KeyError::Written(oddity),
                None => KeyError::NeedsIdentity,
            }),
            (KeyText::Passphrase(text), Some(_)) => {
                let wrong = |error| match (error, KeyOddity::of_passphrase(text)) {
                    (UnwrapError::NoMatch, Some(oddity)) => KeyError::Odd(oddity),
                    (error, _) => failed(error),
                };
                let identity = passphrase::Identity::new(text, MAX_LOG_MEMORY);
                header.unwrap(&identity).map_err(wrong)
            }
        }
    }

    /// Returns the identities, each with its recipient. A passphrase has none.
    pub(crate) fn identities(&self) -> Vec<(Identity, Recipient)> {
        if self.is_passphrase() {
            return Vec::new();
        }
        let lines = str::from_utf8(&self.0).unwrap_or_default().lines().map(str::trim);
        let parsed = lines.filter_map(|line| {
            let identity = Identity::parse(line).ok()?;
            let recipient = Recipient::of(identity.recipient());
            Some((identity, recipient))
        });
        parsed.collect()
    }

    fn text(&self) -> KeyText<'_> {
        KeyText::parse(&self.0).expect("it has been parsed")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, ..)", self.text())
    }
}

/// Why a key does not open a header.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The header is damaged, or was tampered with.
    #[error("the payload is damaged: {0}")]
    Header(UnwrapError),
    /// A passphrase was given.
    #[error("wrong key: the program is packed to recipients, and a passphrase does not open it")]
    NeedsIdentity,
    /// An identity was given.
    #[error(
        "wrong key: the program is packed under a passphrase, and an identity does not open it"
    )]
    NeedsPassphrase,
    /// The passphrase is another one, and something is odd about it.
    #[error("wrong key: {0}")]
    Odd(KeyOddity),
    /// The key is another one.
    #[error("wrong key")]
    Wrong,
    /// The text is meant as an identity, but is not written as one.
    #[error("wrong key: only an age identity opens it, and {0}")]
    Written(KeyOddity),
}

impl Classified for KeyError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NeedsIdentity
            | Self::NeedsPassphrase
            | Self::Odd(_)
            | Self::Wrong
            | Self::Written(_) => Some(ErrorClass::Key),
            Self::Header(_) => Some(ErrorClass::Damaged),
        }
    }
}
