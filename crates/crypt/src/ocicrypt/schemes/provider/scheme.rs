//! A key provider as a scheme of its own. It wraps keys as it likes, and alone unwraps them.

use std::io;

use super::called::Provider;
use crate::ocicrypt::keys::Identity;
use crate::ocicrypt::schemes::recipient::Recipient;
use crate::ocicrypt::schemes::scheme::{
    RecipientKey, Removable, Scheme, Unwrapped, WrappedKey, WrappedKeyError,
};
use crate::pushed::Reader;

/// The cost of one call of a provider, in key operations.
const CALL_COST: usize = 16;

impl Scheme for Provider {
    fn name(&self) -> &str {
        self.annotation()
    }

    fn parse<'s>(&'s self, wrapped: &[u8]) -> Result<Box<dyn WrappedKey + 's>, WrappedKeyError> {
        Ok(Box::new(Wrapped { provider: self, bytes: wrapped.to_vec() }))
    }
}

/// A key that the provider has wrapped, in whatever form.
struct Wrapped<'p> {
    provider: &'p Provider,
    bytes: Vec<u8>,
}

impl Wrapped<'_> {
    /// Tells whether `identity` is the provider itself. Another one of the same name may get another
    /// parameter.
    fn is_by(&self, identity: &Identity) -> bool {
        identity.secret::<Provider>().is_some_and(|it| std::ptr::eq(it, self.provider))
    }
}

impl WrappedKey for Wrapped<'_> {
    fn cost(&self, identity: &Identity) -> usize {
        if self.is_by(identity) { CALL_COST } else { 0 }
    }

    fn unwrap(&self, identity: &Identity) -> Unwrapped {
        if !self.is_by(identity) {
            return Unwrapped::NotMine;
        }
        match self.provider.unwrap(&self.bytes) {
            Ok(content) => Unwrapped::Content(content),
            Err(error) => Unwrapped::Failed(error),
        }
    }
}

impl RecipientKey for Provider {
    fn scheme(&self) -> &str {
        self.annotation()
    }

    fn wrap(&self, content: &[u8], _: &[u8; 32]) -> io::Result<Vec<u8>> {
        self.wrap_options(content).map_err(io::Error::other)
    }

    fn name(&self) -> String {
        self.annotation().to_owned()
    }

    fn reader(&self) -> Option<Reader> {
        // The name of a provider may lead to other keys later.
        None
    }
}

/// The name of a provider does not distinguish its keys, and its items are in a form of its own.
impl Removable for Provider {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn is_only_one_of(&self, _: &str, _: &[u8], _: &[u8; 32]) -> bool {
        false
    }
}

impl Recipient {
    /// Takes a key provider, which will wrap keys.
    pub fn provider(provider: Provider) -> Self {
        Self::of(provider)
    }
}

impl Identity {
    /// Takes a key provider, which unwraps keys that a provider of its name has wrapped.
    pub fn provider(provider: Provider) -> Self {
        Self::of(provider)
    }
}
