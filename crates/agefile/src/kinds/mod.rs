//! The kinds of stanzas. A new kind is one file here, and one line in [`Known::of`].

#[cfg(feature = "host")]
pub(crate) mod grease;
pub mod passphrase;
pub mod x25519;

use crate::stanza::Stanza;
use crate::{FileKey, Header, HeaderError, UnwrapError};

/// A secret key, which unwraps the file keys that were wrapped to it.
pub trait Identity {
    /// Unwraps the file key of a stanza, if the stanza is for this identity.
    ///
    /// Nobody has [checked][Header::check] the file key against the header yet.
    ///
    /// # Errors
    /// The stanza is of this identity's kind, and gives its file key away.
    fn unwrap_stanza(&self, stanza: &Stanza<'_>) -> Result<Option<FileKey>, UnwrapError>;

    /// Unwraps the file key of a header, and checks the header with it.
    ///
    /// # Errors
    /// No stanza is for this identity, or the header was changed.
    fn unwrap(&self, header: &Header<'_>) -> Result<FileKey, UnwrapError> {
        for stanza in header.stanzas() {
            if let Some(file_key) = self.unwrap_stanza(&stanza)? {
                header.check(&file_key)?;
                return Ok(file_key);
            }
        }
        Err(UnwrapError::NoMatch)
    }
}

/// A stanza by its kind. It has the form of that kind.
pub(crate) enum Known {
    /// A stanza of an unknown kind, which readers pass over.
    Other,
    /// The file key is wrapped with a passphrase.
    Passphrase(passphrase::Passphrase),
    /// The file key is wrapped to an X25519 key.
    X25519,
}

impl Known {
    /// Tells the kind of a stanza, and checks that the stanza has the form of its kind.
    pub(crate) fn of(stanza: &Stanza<'_>) -> Result<Self, HeaderError> {
        match stanza.kind() {
            passphrase::KIND => passphrase::Passphrase::parse(stanza).map(Self::Passphrase),
            x25519::KIND => x25519::Wrapped::parse(stanza).map(|_| Self::X25519),
            _ => Ok(Self::Other),
        }
    }
}
