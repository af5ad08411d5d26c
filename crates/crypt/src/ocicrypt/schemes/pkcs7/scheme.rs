//! PKCS#7 as a scheme: its recipients are the owners of certificates.

use std::io;

use super::{Pkcs7, wrap};
use crate::ocicrypt::keys::{Certificate, CertificateError, Identity, RsaKey};
use crate::ocicrypt::schemes::recipient::Recipient;
use crate::ocicrypt::schemes::scheme::{
    RecipientKey, Removable, Scheme, Unwrapped, WrappedKey, WrappedKeyError,
};
use crate::pushed::Reader;

const NAME: &str = "pkcs7";

/// Messages of PKCS#7, which is CMS.
pub(crate) struct Pkcs7Scheme;

impl Scheme for Pkcs7Scheme {
    fn name(&self) -> &str {
        NAME
    }

    fn parse(&self, wrapped: &[u8]) -> Result<Box<dyn WrappedKey>, WrappedKeyError> {
        Ok(Box::new(Pkcs7::parse(wrapped).map_err(WrappedKeyError::new)?))
    }
}

impl WrappedKey for Pkcs7 {
    fn cost(&self, identity: &Identity) -> usize {
        identity.secret::<RsaKey>().map_or(0, |_| self.recipients())
    }

    fn unwrap(&self, identity: &Identity) -> Unwrapped {
        identity.secret().map_or(Unwrapped::NotMine, |key| self.open_with(key))
    }
}

impl RecipientKey for Certificate {
    fn scheme(&self) -> &str {
        NAME
    }

    fn wrap(&self, content: &[u8], _: &[u8; 32]) -> io::Result<Vec<u8>> {
        wrap(content, self)
    }

    fn name(&self) -> String {
        format!("pkcs7:{}", self.digest)
    }

    fn reader(&self) -> Option<Reader> {
        Some(Reader::key("pkcs7", self.digest.to_string().as_bytes()))
    }
}

/// A message names the certificates of its recipients, so that it needs no hint.
impl Removable for Certificate {
    fn names(&self) -> Vec<String> {
        vec![self.name()]
    }

    fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], _: &[u8; 32]) -> bool {
        scheme == NAME && Pkcs7::parse(wrapped).is_ok_and(|message| message.is_only_for(self))
    }
}

impl Recipient {
    /// Takes the file of a certificate, in PEM or DER. Keys are wrapped to its RSA key as PKCS#7.
    ///
    /// # Errors
    /// The file holds no certificate of an RSA key.
    pub fn pkcs7(file: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self::of(Certificate::parse(file)?))
    }
}
