//! Recipients: those to whom keys are wrapped, each in its own way.

use std::fmt;
use std::io;

use super::annotations::Scheme;
use super::jwe;
use super::public_key::{PublicKey, PublicKeyError};

/// Somebody who will be able to open an image.
pub struct Recipient(Kind);

enum Kind {
    Jwe(PublicKey),
}

impl Recipient {
    /// Takes the file of a public key, to which keys are wrapped as JWE: PEM, DER or JWK.
    ///
    /// # Errors
    /// What is no public key of a kind that is known.
    pub fn jwe(file: &[u8]) -> Result<Self, PublicKeyError> {
        Ok(Self(Kind::Jwe(PublicKey::parse(file)?)))
    }

    /// Wraps private options.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn wrap(&self, content: &[u8]) -> io::Result<(Scheme, Vec<u8>)> {
        match &self.0 {
            Kind::Jwe(key) => Ok((Scheme::Jwe, jwe::wrap(content, key)?)),
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Jwe(_) => "Recipient::Jwe(..)",
        })
    }
}
