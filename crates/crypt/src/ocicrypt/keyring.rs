//! The keyring: identities, tried on one layer after the other, as often as may be.

use zeroize::Zeroizing;

use super::Identity;
use super::annotations::{Encryption, Scheme};
use super::decrypt::{DecryptError, MAX_ATTEMPTS};
use super::wrapped::{Unwrapped, WrappedKey};

/// Identities, and how many key operations are left to them.
pub(super) struct Keyring<'i> {
    identities: &'i [Identity],
    left: usize,
}

impl<'i> Keyring<'i> {
    /// Takes identities for one image.
    pub(super) fn new(identities: &'i [Identity]) -> Self {
        Self { identities, left: MAX_ATTEMPTS }
    }

    /// Finds the private options of the layer of the name `layer`, as they were wrapped.
    ///
    /// # Errors
    /// No identity opens them, or they are damaged; too many attempts.
    pub(super) fn open(
        &mut self,
        encryption: &Encryption,
        layer: &str,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let layer = || layer.to_owned();
        let mut refused = None;
        let (mut other, mut unusable) = (None, None);
        let (mut readable, mut damaged) = (false, false);
        for (scheme, bytes) in &encryption.wraps {
            let wrapped = match WrappedKey::parse(scheme, bytes) {
                Ok(Some(wrapped)) => wrapped,
                Ok(None) => {
                    other.get_or_insert(scheme);
                    continue;
                }
                // One that nobody can read does not hide the others.
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            readable = true;
            for identity in self.identities {
                self.left = self
                    .left
                    .checked_sub(wrapped.cost(identity))
                    .ok_or(DecryptError::TooManyAttempts)?;
                match wrapped.unwrap(identity) {
                    Unwrapped::Content(content) => return Ok(content),
                    Unwrapped::Damaged => damaged = true,
                    Unwrapped::NotMine => {}
                    Unwrapped::Refused(error) => unusable = Some(error),
                }
            }
        }
        if let Some(source) = unusable {
            return Err(DecryptError::WrappedKey { layer: layer(), source });
        }
        Err(match (damaged, readable, refused, other) {
            (true, ..) => DecryptError::DamagedKey(layer()),
            (_, true, ..) => DecryptError::WrongKey,
            (_, _, Some(source), _) => DecryptError::WrappedKey { layer: layer(), source },
            (_, _, None, scheme) => DecryptError::Scheme {
                layer: layer(),
                scheme: match scheme {
                    Some(Scheme::Other(name)) => name.chars().take(64).collect(),
                    _ => String::new(),
                },
            },
        })
    }
}
