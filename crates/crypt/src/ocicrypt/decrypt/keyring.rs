//! The keyring tries identities on one layer after the other, within the budget of key operations.

use zeroize::Zeroizing;

use super::error::DecryptError;
use crate::ocicrypt::annotations::Encryption;
use crate::ocicrypt::budget::Budget;
use crate::ocicrypt::keys::Identity;
use crate::ocicrypt::schemes::{self, Scheme, Unwrapped};

/// Identities, the schemes that they may open, and the key operations that are left to them.
pub(crate) struct Keyring<'i> {
    schemes: Vec<&'i dyn Scheme>,
    identities: &'i [Identity],
    budget: Budget,
}

impl<'i> Keyring<'i> {
    /// Takes identities for one image.
    pub(crate) fn new(identities: &'i [Identity]) -> Self {
        Self::of_schemes(schemes::with_providers(identities), identities)
    }

    /// Takes identities, and the schemes to read in their order.
    fn of_schemes(schemes: Vec<&'i dyn Scheme>, identities: &'i [Identity]) -> Self {
        Self { schemes, identities, budget: Budget::new() }
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
        let (mut readable, mut damaged) = (false, false);
        let (mut refused, mut unusable, mut failed) = (None, None, None);
        for scheme in &self.schemes {
            for (_, bytes) in encryption.wraps.iter().filter(|(name, _)| name == scheme.name()) {
                let wrapped = match scheme.parse(bytes) {
                    Ok(wrapped) => wrapped,
                    // A wrapped key that nobody can read does not hide the others.
                    Err(error) => {
                        refused.get_or_insert(error);
                        continue;
                    }
                };
                readable = true;
                for identity in self.identities {
                    let cost = wrapped.cost(identity);
                    self.budget.pay(cost).map_err(|_| DecryptError::TooManyAttempts)?;
                    match wrapped.unwrap(identity) {
                        Unwrapped::Content(content) => return Ok(content),
                        Unwrapped::Damaged => damaged = true,
                        Unwrapped::Failed(error) => {
                            failed.get_or_insert(error);
                        }
                        Unwrapped::NotMine => {}
                        Unwrapped::Refused(error) => unusable = Some(error),
                        Unwrapped::TooCostly => return Err(DecryptError::TooCostly),
                    }
                }
            }
        }
        if let (false, Some(source)) = (damaged, failed) {
            return Err(DecryptError::Provider { layer: layer(), source });
        }
        if let Some(source) = unusable {
            return Err(DecryptError::WrappedKey { layer: layer(), source });
        }
        Err(match (damaged, readable, refused) {
            (true, ..) => DecryptError::DamagedKey(layer()),
            (_, true, _) => DecryptError::WrongKey,
            (_, _, Some(source)) => DecryptError::WrappedKey { layer: layer(), source },
            // No scheme reads any of the wrapped keys.
            (_, _, None) => {
                let name =
                    encryption.wraps.first().map(|(name, _)| name.chars().take(64).collect());
                DecryptError::Scheme { layer: layer(), scheme: name.unwrap_or_default() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use age::secrecy::SecretString;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sealcrate_image::{Descriptor, MediaType};
    use thiserror::Error;

    use super::*;
    use crate::Passphrase;
    use crate::ocicrypt::budget::MAX_ATTEMPTS;
    use crate::ocicrypt::schemes::age::passphrase::PassphraseIdentity;
    use crate::ocicrypt::schemes::scheme::{RecipientKey, Removable, WrappedKey};
    use crate::ocicrypt::schemes::{FormerRecipient, Recipient, WrappedKeyError};
    use crate::pushed::Reader;

    /// A layer whose key has a lock of its own, which costs 16 units of work.
    fn locked() -> Encryption {
        let mut to = age::scrypt::Recipient::new(SecretString::from("another"));
        to.set_work_factor(4);
        let lock = STANDARD.encode(age::encrypt(&to, b"x").unwrap());
        let item = format!(r#"{{"v":1,"wrap":"","lock":"{lock}"}}"#);
        let wraps = vec![("provider.sealcrate".to_owned(), item.into_bytes())];
        Encryption { media_type: MediaType::DOCKER_LAYER_GZIP, hmac: [0; 32], wraps }
    }

    #[test]
    fn images_of_one_command_share_the_work_of_a_passphrase() {
        let passphrase = Passphrase::new(Zeroizing::new(b"secret".to_vec())).unwrap();
        let identity = PassphraseIdentity::with_work(&passphrase, 2 << 4);
        let identities = [Identity::of(identity)];
        let open = || Keyring::new(&identities).open(&locked(), "layer").unwrap_err();
        for _ in 0..2 {
            assert!(matches!(open(), DecryptError::WrongKey));
        }
        assert!(matches!(open(), DecryptError::TooCostly));
    }

    /// A scheme that nothing else knows: it turns the bits of the private options.
    struct Toy;

    /// The only secret and the only recipient of the toy.
    #[derive(PartialEq)]
    struct Mask(u8);

    struct Masked(Vec<u8>);

    #[derive(Debug, Error, PartialEq)]
    #[error("the toy is malformed")]
    struct NoToy;

    impl Scheme for Toy {
        fn name(&self) -> &str {
            "toy"
        }

        fn parse(&self, wrapped: &[u8]) -> Result<Box<dyn WrappedKey>, WrappedKeyError> {
            let masked =
                wrapped.strip_prefix(b"toy ").ok_or_else(|| WrappedKeyError::new(NoToy))?;
            Ok(Box::new(Masked(masked.to_vec())))
        }
    }

    impl WrappedKey for Masked {
        fn cost(&self, identity: &Identity) -> usize {
            identity.secret::<Mask>().map_or(0, |_| MAX_ATTEMPTS / 2)
        }

        fn unwrap(&self, identity: &Identity) -> Unwrapped {
            match identity.secret::<Mask>() {
                Some(Mask(mask)) if self.0[0] == *mask => Unwrapped::Content(
                    self.0[1..].iter().map(|byte| byte ^ mask).collect::<Vec<_>>().into(),
                ),
                _ => Unwrapped::NotMine,
            }
        }
    }

    impl RecipientKey for Mask {
        fn scheme(&self) -> &str {
            "toy"
        }

        fn wrap(&self, content: &[u8], _: &[u8; 32]) -> io::Result<Vec<u8>> {
            let masked = content.iter().map(|byte| byte ^ self.0);
            Ok(b"toy ".iter().copied().chain([self.0]).chain(masked).collect())
        }

        fn name(&self) -> String {
            format!("toy:{}", self.0)
        }

        fn reader(&self) -> Option<Reader> {
            None
        }
    }

    impl Removable for Mask {
        fn names(&self) -> Vec<String> {
            vec![self.name()]
        }

        fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], _: &[u8; 32]) -> bool {
            scheme == "toy" && wrapped.get(4) == Some(&self.0)
        }
    }

    /// A layer whose key the toy has wrapped to two masks, behind something malformed, as its
    /// descriptor says it.
    fn toy_layer() -> Encryption {
        let mut wraps = vec![("toy".to_owned(), b"malformed".to_vec())];
        for mask in [7, 9] {
            wraps.push(Recipient::of(Mask(mask)).wrap(b"options", &[0; 32]).unwrap());
        }
        let media_type = MediaType::OCI_LAYER_GZIP;
        let mut descriptor = Descriptor::of(media_type.clone(), b"x");
        Encryption { media_type, hmac: [0; 32], wraps }.put(&mut descriptor);
        assert!(descriptor.annotations.contains_key("org.opencontainers.image.enc.keys.toy"));
        Encryption::of(&descriptor).unwrap().unwrap()
    }

    #[test]
    fn scheme_that_nothing_else_knows_wraps_and_unwraps_keys() {
        let open = |identities: &[Identity]| {
            Keyring::of_schemes(vec![&Toy], identities).open(&toy_layer(), "layer")
        };
        // The malformed wrapped key does not hide the others.
        assert_eq!(**open(&[Identity::of("no mask"), Identity::of(Mask(9))]).unwrap(), *b"options");
        assert!(matches!(open(&[Identity::of(Mask(8))]), Err(DecryptError::WrongKey)));
        // Two attempts are as much as there may be.
        let two = [Identity::of(Mask(8)), Identity::of(Mask(9))];
        assert!(matches!(open(&two), Err(DecryptError::TooManyAttempts)));
        let mut malformed = toy_layer();
        malformed.wraps.truncate(1);
        match Keyring::of_schemes(vec![&Toy], &two).open(&malformed, "layer") {
            Err(DecryptError::WrappedKey { source, .. }) => {
                assert_eq!(source.source().unwrap().downcast_ref(), Some(&NoToy));
            }
            other => panic!("{other:?}"),
        }
        let unknown = Keyring::new(&two).open(&toy_layer(), "layer");
        assert!(matches!(unknown, Err(DecryptError::Scheme { scheme, .. }) if scheme == "toy"));
    }

    #[test]
    fn recipient_of_a_scheme_that_nothing_else_knows_is_removed_by_it() {
        let former = FormerRecipient::from(Recipient::of(Mask(7)));
        assert_eq!(former.names(), ["toy:7"]);
        let wraps = toy_layer().wraps;
        let is_former = |place: usize| {
            let (name, wrapped) = &wraps[place];
            former.is_only_one_of(name, wrapped, &[0; 32])
        };
        assert!(!is_former(0) && is_former(1) && !is_former(2));
    }
}
