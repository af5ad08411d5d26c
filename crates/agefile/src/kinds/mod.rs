//! The kinds of stanzas. A new kind is one file here, and one line in [`Known::of`].

#[cfg(feature = "host")]
pub(crate) mod grease;
pub mod passphrase;
pub mod x25519;

use crate::stanza::{HeaderError, Stanza};

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
