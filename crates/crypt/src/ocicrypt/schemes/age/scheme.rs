//! Sealcrate's items as a scheme: their recipients are age's, and holders of a passphrase.

use std::io;

use sealcrate_agefile::x25519;
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use super::AgeItem;
use super::passphrase::PassphraseIdentity;
use super::wrap::{PassphraseLock, wrap};
use crate::Passphrase;
use crate::ocicrypt::keys::Identity;
use crate::ocicrypt::schemes::hint;
use crate::ocicrypt::schemes::recipient::Recipient;
use crate::ocicrypt::schemes::scheme::{
    RecipientKey, Removable, Scheme, Unwrapped, WrappedKey, WrappedKeyError,
};
use crate::pushed::Reader;

/// The name of a key provider: runtimes that know such providers open items by it.
const NAME: &str = "provider.sealcrate";

/// Sealcrate's own items, which hold age files.
pub(crate) struct AgeScheme;

impl Scheme for AgeScheme {
    fn name(&self) -> &str {
        NAME
    }

    fn parse(&self, wrapped: &[u8]) -> Result<Box<dyn WrappedKey>, WrappedKeyError> {
        Ok(Box::new(AgeItem::parse(wrapped).map_err(WrappedKeyError::new)?))
    }

    fn describe(&self, wrapped: &[u8]) -> String {
        if self.takes_passphrase(wrapped) { "passphrase" } else { "age" }.to_owned()
    }

    fn takes_passphrase(&self, wrapped: &[u8]) -> bool {
        AgeItem::parse(wrapped).is_ok_and(|item| item.has_lock())
    }
}

impl WrappedKey for AgeItem {
    fn cost(&self, identity: &Identity) -> usize {
        if let Some(passphrase) = identity.secret::<PassphraseIdentity>() {
            return self.cost_of(passphrase);
        }
        identity.secret::<Vec<x25519::Identity>>().map_or(0, |of| self.stanzas() * of.len())
    }

    fn unwrap(&self, identity: &Identity) -> Unwrapped {
        if let Some(passphrase) = identity.secret::<PassphraseIdentity>() {
            return self.unwrap_locked(passphrase);
        }
        let identities = identity.secret::<Vec<x25519::Identity>>();
        identities.map_or(Unwrapped::NotMine, |of| self.unwrap(of))
    }
}

impl RecipientKey for x25519::Recipient {
    fn scheme(&self) -> &str {
        NAME
    }

    fn wrap(&self, content: &[u8], key: &[u8; 32]) -> io::Result<Vec<u8>> {
        wrap(content, self, hint_at(self, key))
    }

    fn name(&self) -> String {
        self.to_string()
    }

    fn reader(&self) -> Option<Reader> {
        Some(Reader::key("age", self.to_string().as_bytes()))
    }
}

impl Removable for x25519::Recipient {
    fn names(&self) -> Vec<String> {
        vec![self.to_string()]
    }

    fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], key: &[u8; 32]) -> bool {
        let has_hint = |item: AgeItem| item.hint() == Some(&hint_at(self, key));
        scheme == NAME && AgeItem::parse(wrapped).is_ok_and(has_hint)
    }
}

/// Returns the hint at an age recipient, under the layer's key.
pub(crate) fn hint_at(recipient: &x25519::Recipient, key: &[u8; 32]) -> String {
    hint::of(key, recipient.to_string().as_bytes())
}

impl RecipientKey for PassphraseLock {
    fn scheme(&self) -> &str {
        NAME
    }

    fn wrap(&self, content: &[u8], _: &[u8; 32]) -> io::Result<Vec<u8>> {
        self.wrap(content)
    }

    fn name(&self) -> String {
        "passphrase".to_owned()
    }

    fn reader(&self) -> Option<Reader> {
        None
    }
}

/// Nothing tells one passphrase from another.
impl Removable for PassphraseLock {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn is_only_one_of(&self, _: &str, _: &[u8], _: &[u8; 32]) -> bool {
        false
    }
}

impl Recipient {
    /// Takes the text of age's X25519 recipient, `age1…`.
    ///
    /// # Errors
    /// The text is no such recipient.
    pub fn age(text: &str) -> Result<Self, AgeRecipientError> {
        let recipient: x25519::Recipient = text.parse().map_err(|_| AgeRecipientError)?;
        Ok(Self::of(recipient))
    }

    /// Takes the holder of a passphrase as a recipient of one image, or of all images of one index.
    /// It makes the identity to which keys will be wrapped, which is slow by design.
    ///
    /// # Errors
    /// The passphrase is no text.
    pub fn passphrase(passphrase: &Passphrase) -> io::Result<Self> {
        Ok(Self::of(PassphraseLock::new(passphrase)?))
    }
}

impl Identity {
    /// Takes a passphrase, which opens keys that this format wraps under it.
    pub fn passphrase(passphrase: &Passphrase) -> Self {
        Self::of(PassphraseIdentity::new(passphrase))
    }
}

/// Says that a text is no X25519 recipient of age. The text may be a secret, so the error does not
/// repeat it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no age recipient (age1…)")]
pub struct AgeRecipientError;

impl Classified for AgeRecipientError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}
