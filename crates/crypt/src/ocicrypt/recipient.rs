//! Recipients, to whom keys are wrapped, each in its own way.

use std::fmt;
use std::io;
use std::sync::Arc;

use sealcrate_agefile::x25519;
use sealcrate_image::Digest;
use thiserror::Error;

use super::age_item::PassphraseLock;
use super::annotations::Scheme;
use super::certificate::{Certificate, CertificateError};
use super::openpgp::{self, OpenPgpKeyError};
use super::provider::Provider;
use super::public_key::{PublicKey, PublicKeyError};
use super::wrapped::WrappedKey;
use super::{age_item, hint, jwe, pkcs7};
use crate::Passphrase;
use crate::pushed::Reader;

/// Somebody who will be able to open an image. Copies are the same recipient.
#[derive(Clone)]
pub struct Recipient(Arc<Kind>);

enum Kind {
    Age(x25519::Recipient),
    Jwe(PublicKey),
    OpenPgp(openpgp::Certificate),
    Passphrase(PassphraseLock),
    Pkcs7(Certificate),
    Provider(Provider),
}

impl Recipient {
    fn of(kind: Kind) -> Self {
        Self(Arc::new(kind))
    }

    /// Takes the text of age's X25519 recipient, `age1…`.
    ///
    /// # Errors
    /// The text is no such recipient.
    pub fn age(text: &str) -> Result<Self, AgeRecipientError> {
        Ok(Self::of(Kind::Age(text.parse().map_err(|_| AgeRecipientError)?)))
    }

    /// Takes the holder of a passphrase as a recipient of one image, or of all images of one index.
    /// It makes the identity to which keys will be wrapped, which is slow by design.
    ///
    /// # Errors
    /// The passphrase is no text.
    pub fn passphrase(passphrase: &Passphrase) -> io::Result<Self> {
        Ok(Self::of(Kind::Passphrase(PassphraseLock::new(passphrase)?)))
    }

    /// Takes the file of a public key, in PEM, DER or JWK. Keys are wrapped to it as JWE.
    ///
    /// # Errors
    /// The file holds no public key of a known kind.
    pub fn jwe(file: &[u8]) -> Result<Self, PublicKeyError> {
        Ok(Self::of(Kind::Jwe(PublicKey::parse(file)?)))
    }

    /// Takes the file of a certificate, in PEM or DER. Keys are wrapped to its RSA key as PKCS#7.
    ///
    /// # Errors
    /// The file holds no certificate of an RSA key.
    pub fn pkcs7(file: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self::of(Kind::Pkcs7(Certificate::parse(file)?)))
    }

    /// Takes a key provider, which will wrap keys.
    pub fn provider(provider: Provider) -> Self {
        Self::of(Kind::Provider(provider))
    }

    /// Returns age's recipient, if it is one.
    pub(super) fn as_age(&self) -> Option<&x25519::Recipient> {
        match &*self.0 {
            Kind::Age(recipient) => Some(recipient),
            _ => None,
        }
    }

    /// Takes the file of a public OpenPGP key, binary or in armor. Keys are wrapped to its
    /// encryption key, as messages.
    ///
    /// # Errors
    /// The file holds no such key or several; the key is expired, revoked, or of an unknown kind.
    pub fn openpgp(file: &[u8]) -> Result<Self, OpenPgpKeyError> {
        Ok(Self::of(Kind::OpenPgp(openpgp::Certificate::parse(file)?)))
    }

    /// Wraps `content`, the private options of a layer with the key `key`.
    ///
    /// # Errors
    /// The system gives no random bytes. A [`ProviderError`](super::provider::ProviderError) is
    /// inside the error.
    pub(super) fn wrap(&self, content: &[u8], key: &[u8; 32]) -> io::Result<(Scheme, Vec<u8>)> {
        let hint = self.hint(key).unwrap_or_default();
        match &*self.0 {
            Kind::Age(recipient) => Ok((Scheme::Age, age_item::wrap(content, recipient, hint)?)),
            Kind::Passphrase(lock) => Ok((Scheme::Age, lock.wrap(content)?)),
            Kind::Jwe(public) => Ok((Scheme::Jwe, jwe::wrap(content, public, &hint)?)),
            Kind::OpenPgp(key) => Ok((Scheme::OpenPgp, openpgp::wrap(content, key)?)),
            Kind::Pkcs7(certificate) => Ok((Scheme::Pkcs7, pkcs7::wrap(content, certificate)?)),
            Kind::Provider(provider) => {
                Ok((provider.scheme(), provider.wrap(content).map_err(io::Error::other)?))
            }
        }
    }

    /// Returns the bytes that distinguish this recipient from others. Returns `None` for a
    /// passphrase, which [`Reader::passphrase`] distinguishes, and for a provider.
    pub fn reader(&self) -> Option<Reader> {
        Some(match &*self.0 {
            Kind::Age(recipient) => Reader::key("age", recipient.to_string().as_bytes()),
            Kind::Jwe(public) => Reader::key("jwe", public.id()),
            Kind::Pkcs7(certificate) => {
                Reader::key("pkcs7", certificate.digest.to_string().as_bytes())
            }
            Kind::OpenPgp(key) => Reader::key("pgp", key.digest.to_string().as_bytes()),
            // The name of a provider may lead to other keys later.
            Kind::Passphrase(_) | Kind::Provider(_) => return None,
        })
    }

    /// Returns the public name of this recipient, which the sealed record lists for readers.
    pub fn name(&self) -> String {
        match &*self.0 {
            Kind::Age(recipient) => recipient.to_string(),
            Kind::Jwe(public) => format!("jwe:{}", Digest::of(public.id())),
            Kind::OpenPgp(key) => openpgp_name(&key.id()),
            Kind::Passphrase(_) => "passphrase".to_owned(),
            Kind::Pkcs7(certificate) => format!("pkcs7:{}", certificate.digest),
            Kind::Provider(provider) => provider.scheme().to_string(),
        }
    }

    /// Tells whether the name distinguishes this recipient from all others. The names of
    /// passphrases and of providers do not.
    pub(super) fn has_name_of_its_own(&self) -> bool {
        !matches!(&*self.0, Kind::Passphrase(_) | Kind::Provider(_))
    }

    /// Tells whether `wrapped`, which holds the key `key` of a layer, is for this recipient and for
    /// nobody else.
    pub(super) fn is_only_one_of(&self, wrapped: &WrappedKey, key: &[u8; 32]) -> bool {
        match (&*self.0, wrapped) {
            (Kind::OpenPgp(mine), WrappedKey::OpenPgp(message)) => message.is_only_for(&mine.ids()),
            (Kind::Pkcs7(mine), WrappedKey::Pkcs7(message)) => message.is_only_for(mine),
            _ => {
                wrapped.hint().is_some_and(|has| self.hint(key).is_some_and(|wanted| has == wanted))
            }
        }
    }

    /// Returns the hint that marks keys wrapped to this recipient. A passphrase has none, since
    /// nothing tells one passphrase from another.
    pub(super) fn hint(&self, key: &[u8; 32]) -> Option<String> {
        match &*self.0 {
            Kind::Age(recipient) => Some(hint::of(key, recipient.to_string().as_bytes())),
            Kind::Jwe(public) => Some(hint::of(key, public.id())),
            // Messages of OpenPGP and PKCS#7 name their recipients. A provider makes its items as
            // it likes.
            Kind::OpenPgp(_) | Kind::Passphrase(_) | Kind::Pkcs7(_) | Kind::Provider(_) => None,
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.0 {
            Kind::Age(_) => "Recipient::Age(..)",
            Kind::Jwe(_) => "Recipient::Jwe(..)",
            Kind::OpenPgp(_) => "Recipient::OpenPgp(..)",
            Kind::Passphrase(_) => "Recipient::Passphrase(..)",
            Kind::Pkcs7(_) => "Recipient::Pkcs7(..)",
            Kind::Provider(_) => "Recipient::Provider(..)",
        })
    }
}

/// Returns the name of an OpenPGP key, which contains its ID.
pub(super) fn openpgp_name(id: &[u8]) -> String {
    format!("pgp:{}", hex::encode_upper(id))
}

/// Says that a text is no X25519 recipient of age. The text may be a secret, so the error does not
/// repeat it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no age recipient (age1…)")]
pub struct AgeRecipientError;
