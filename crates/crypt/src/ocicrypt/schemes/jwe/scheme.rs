//! JWE as a scheme: its recipients are the holders of RSA and EC keys.

use std::io;

use sealcrate_image::Digest;

use super::{Jwe, wrap::wrap};
use crate::ocicrypt::keys::{EcKey, Identity, PublicKey, PublicKeyError, RsaKey};
use crate::ocicrypt::schemes::hint;
use crate::ocicrypt::schemes::recipient::Recipient;
use crate::ocicrypt::schemes::scheme::{
    RecipientKey, Removable, Scheme, Unwrapped, WrappedKey, WrappedKeyError,
};
use crate::pushed::Reader;

const NAME: &str = "jwe";

/// JWEs.
pub(crate) struct JweScheme;

impl Scheme for JweScheme {
    fn name(&self) -> &str {
        NAME
    }

    fn parse(&self, wrapped: &[u8]) -> Result<Box<dyn WrappedKey>, WrappedKeyError> {
        Ok(Box::new(Jwe::parse(wrapped).map_err(WrappedKeyError::new)?))
    }
}

impl WrappedKey for Jwe {
    fn cost(&self, identity: &Identity) -> usize {
        let is_mine = identity.secret::<RsaKey>().is_some() || identity.secret::<EcKey>().is_some();
        if is_mine { self.recipients() } else { 0 }
    }

    fn unwrap(&self, identity: &Identity) -> Unwrapped {
        self.open_with(identity)
    }
}

impl RecipientKey for PublicKey {
    fn scheme(&self) -> &str {
        NAME
    }

    fn wrap(&self, content: &[u8], key: &[u8; 32]) -> io::Result<Vec<u8>> {
        wrap(content, self, &hint::of(key, self.id()))
    }

    fn name(&self) -> String {
        format!("jwe:{}", Digest::of(self.id()))
    }

    fn reader(&self) -> Option<Reader> {
        Some(Reader::key("jwe", self.id()))
    }
}

impl Removable for PublicKey {
    fn names(&self) -> Vec<String> {
        vec![self.name()]
    }

    fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], key: &[u8; 32]) -> bool {
        let has_hint = |jwe: Jwe| jwe.hint() == Some(&hint::of(key, self.id()));
        scheme == NAME && Jwe::parse(wrapped).is_ok_and(has_hint)
    }
}

impl Recipient {
    /// Takes the file of a public key, in PEM, DER or JWK. Keys are wrapped to it as JWE.
    ///
    /// # Errors
    /// The file holds no public key of a known kind.
    pub fn jwe(file: &[u8]) -> Result<Self, PublicKeyError> {
        Ok(Self::of(PublicKey::parse(file)?))
    }
}
