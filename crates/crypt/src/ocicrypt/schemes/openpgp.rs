//! OpenPGP: private options wrapped to keys of GnuPG and similar tools. The crate
//! `sealcrate_openpgp` reads and writes the messages.

use std::io;

use sealcrate_image::Digest;
use sealcrate_openpgp::{
    Certificate, CertificateError, KeyIds, Message, OpenError, SecretKeys, encrypt,
};

use super::former_recipient::FormerRecipient;
use super::recipient::Recipient;
use super::scheme::{RecipientKey, Removable, Scheme, Unwrapped, WrappedKey, WrappedKeyError};
use crate::ocicrypt::keys::Identity;
use crate::pushed::Reader;

const NAME: &str = "pgp";

/// Messages of OpenPGP.
pub(super) struct OpenPgpScheme;

impl Scheme for OpenPgpScheme {
    fn name(&self) -> &str {
        NAME
    }

    fn parse(&self, wrapped: &[u8]) -> Result<Box<dyn WrappedKey>, WrappedKeyError> {
        Ok(Box::new(Message::parse(wrapped).map_err(WrappedKeyError::new)?))
    }
}

impl WrappedKey for Message {
    fn cost(&self, identity: &Identity) -> usize {
        let keys = identity.secret::<SecretKeys>().map_or(0, SecretKeys::count);
        self.recipients() * keys
    }

    fn unwrap(&self, identity: &Identity) -> Unwrapped {
        let Some(keys) = identity.secret::<SecretKeys>() else { return Unwrapped::NotMine };
        match self.open(keys) {
            Ok(content) => Unwrapped::Content(content),
            Err(OpenError::Content(error)) => Unwrapped::Refused(WrappedKeyError::new(error)),
            Err(OpenError::Damaged) => Unwrapped::Damaged,
            Err(_) => Unwrapped::NotMine,
        }
    }
}

/// A certificate, and the digest of its file.
struct OpenPgpRecipient {
    certificate: Certificate,
    digest: Digest,
}

impl RecipientKey for OpenPgpRecipient {
    fn scheme(&self) -> &str {
        NAME
    }

    fn wrap(&self, content: &[u8], _: &[u8; 32]) -> io::Result<Vec<u8>> {
        encrypt(content, &self.certificate)
    }

    fn name(&self) -> String {
        name_of(&self.certificate.id())
    }

    fn reader(&self) -> Option<Reader> {
        Some(Reader::key("pgp", self.digest.to_string().as_bytes()))
    }
}

impl Removable for OpenPgpRecipient {
    fn names(&self) -> Vec<String> {
        vec![self.name()]
    }

    fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], key: &[u8; 32]) -> bool {
        self.certificate.ids().is_only_one_of(scheme, wrapped, key)
    }
}

/// The keys of a certificate, which need not be fit for encryption. A message names the IDs of its
/// recipients' keys, so that it needs no hint.
impl Removable for KeyIds {
    fn names(&self) -> Vec<String> {
        self.all().iter().map(|id| name_of(id)).collect()
    }

    fn is_only_one_of(&self, scheme: &str, wrapped: &[u8], _: &[u8; 32]) -> bool {
        scheme == NAME && Message::parse(wrapped).is_ok_and(|message| message.is_only_for(self))
    }
}

/// Returns the name of an OpenPGP key, which contains its ID.
fn name_of(id: &[u8]) -> String {
    format!("pgp:{}", hex::encode_upper(id))
}

impl Recipient {
    /// Takes the file of a public OpenPGP key, binary or in armor. Keys are wrapped to its
    /// encryption key, as messages.
    ///
    /// # Errors
    /// The file holds no such key or several; the key is expired, revoked, or of an unknown kind.
    pub fn openpgp(file: &[u8]) -> Result<Self, CertificateError> {
        let certificate = Certificate::parse(file)?;
        Ok(Self::of(OpenPgpRecipient { certificate, digest: Digest::of(file) }))
    }
}

impl FormerRecipient {
    /// Takes the file of a public OpenPGP key, which may have expired or been revoked since.
    ///
    /// # Errors
    /// The file holds no such key, or several.
    pub fn openpgp(file: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self::of(KeyIds::parse(file)?))
    }
}
