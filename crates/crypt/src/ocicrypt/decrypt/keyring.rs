//! The keyring tries identities on one layer after the other, within the bound on key operations.

use zeroize::Zeroizing;

use super::{DecryptError, MAX_ATTEMPTS};
use crate::ocicrypt::Identity;
use crate::ocicrypt::annotations::{Encryption, Scheme};
use crate::ocicrypt::keys::identity::Key;
use crate::ocicrypt::schemes::provider::ProviderError;
use crate::ocicrypt::schemes::wrapped::{Unwrapped, WrappedKey};

/// The cost of one call of a provider, in key operations.
const CALL_COST: usize = 16;

/// Identities, and the number of key operations that are left to them.
pub(crate) struct Keyring<'i> {
    identities: &'i [Identity],
    left: usize,
}

impl<'i> Keyring<'i> {
    /// Takes identities for one image.
    pub(crate) fn new(identities: &'i [Identity]) -> Self {
        Self { identities, left: MAX_ATTEMPTS }
    }

    /// Unwraps the private options of the layer with the name `layer`, and returns their bytes.
    ///
    /// # Errors
    /// No identity opens them; they are damaged; the image needs too many attempts.
    pub(crate) fn open(
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
                // A wrapped key that nobody can read does not hide the others.
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            readable = true;
            for identity in self.identities {
                self.pay(wrapped.cost(identity))?;
                match wrapped.unwrap(identity) {
                    Unwrapped::Content(content) => return Ok(content),
                    Unwrapped::Damaged => damaged = true,
                    Unwrapped::NotMine => {}
                    Unwrapped::Refused(error) => unusable = Some(error),
                    Unwrapped::TooCostly => return Err(DecryptError::TooCostly),
                }
            }
        }
        // Providers come last, since they take longest.
        let failed = match self.ask(encryption)? {
            Asked::Content(content) => return Ok(content),
            Asked::Failed(error) => Some(error),
            Asked::Nobody => None,
        };
        if let (false, Some(source)) = (damaged, failed) {
            return Err(DecryptError::Provider { layer: layer(), source });
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

    /// Asks every key provider among the identities to unwrap the keys that a provider of its name
    /// has wrapped.
    fn ask(&mut self, encryption: &Encryption) -> Result<Asked, DecryptError> {
        let mut asked = Asked::Nobody;
        for identity in self.identities {
            let Key::Provider(provider) = &*identity.0 else { continue };
            let scheme = provider.scheme();
            for (_, wrapped) in encryption.wraps.iter().filter(|(of, _)| *of == scheme) {
                self.pay(CALL_COST)?;
                match (provider.unwrap(wrapped), &asked) {
                    (Ok(content), _) => return Ok(Asked::Content(content)),
                    (Err(error), Asked::Nobody) => asked = Asked::Failed(error),
                    (Err(_), _) => {}
                }
            }
        }
        Ok(asked)
    }

    fn pay(&mut self, cost: usize) -> Result<(), DecryptError> {
        self.left = self.left.checked_sub(cost).ok_or(DecryptError::TooManyAttempts)?;
        Ok(())
    }
}

/// The outcome of asking key providers.
enum Asked {
    /// A provider returned these private options.
    Content(Zeroizing<Vec<u8>>),
    /// No provider returned any; this is the error of the first one.
    Failed(ProviderError),
    /// No provider has a name that stands at a wrapped key.
    Nobody,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use age::secrecy::SecretString;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sealcrate_image::MediaType;

    use super::*;
    use crate::Passphrase;
    use crate::ocicrypt::schemes::age::passphrase::PassphraseIdentity;

    /// A layer whose key has a lock of its own, which costs 16 units of work.
    fn locked() -> Encryption {
        let mut to = age::scrypt::Recipient::new(SecretString::from("another"));
        to.set_work_factor(4);
        let lock = STANDARD.encode(age::encrypt(&to, b"x").unwrap());
        let item = format!(r#"{{"v":1,"wrap":"","lock":"{lock}"}}"#);
        let wraps = vec![(Scheme::Age, item.into_bytes())];
        Encryption { media_type: MediaType::DOCKER_LAYER_GZIP, hmac: [0; 32], wraps }
    }

    #[test]
    fn images_of_one_command_share_the_work_of_a_passphrase() {
        let passphrase = Passphrase::new(Zeroizing::new(b"secret".to_vec())).unwrap();
        let identity = PassphraseIdentity::with_work(&passphrase, 2 << 4);
        let identities = [Identity(Arc::new(Key::Passphrase(identity)))];
        let open = || Keyring::new(&identities).open(&locked(), "layer").unwrap_err();
        for _ in 0..2 {
            assert!(matches!(open(), DecryptError::WrongKey));
        }
        assert!(matches!(open(), DecryptError::TooCostly));
    }
}
