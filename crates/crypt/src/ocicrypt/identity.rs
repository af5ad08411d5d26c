//! Identities: private keys in the files of other tools, passphrases, and key providers.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey};
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use sealcrate_agefile::x25519;
use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::openpgp::{self, SecretKey, SecretKeyError};
use super::passphrase::PassphraseIdentity;
use super::provider::Provider;
use super::{der, old_pem, sealed_key};
use crate::Passphrase;

/// The longest key file.
pub const MAX_KEY_FILE_BYTES: usize = 64 << 10;

/// How the text of age's X25519 identities begins.
const AGE: &str = "AGE-SECRET-KEY-1";

/// The secret that opens keys wrapped to its recipient. Copies are the same identity.
#[derive(Clone)]
pub struct Identity(pub(super) Arc<Key>);

/// The kinds of identities.
pub(super) enum Key {
    /// X25519 identities of age, one or several.
    Age(Vec<x25519::Identity>),
    /// A key on one of NIST's curves.
    Ec(Curve, PrivateKey),
    /// OpenPGP's secret keys in one file, as far as they can decrypt.
    OpenPgp(Vec<SecretKey>),
    /// A passphrase, which opens identities.
    Passphrase(PassphraseIdentity),
    /// Another program, which has the keys.
    Provider(Provider),
    /// RSA, 2048 to 8192 bits.
    Rsa(RsaKey),
}

/// An RSA key for both of its uses.
pub(super) struct RsaKey {
    pub(super) oaep: OaepPrivateDecryptingKey,
    pub(super) pkcs1: Pkcs1PrivateDecryptingKey,
}

impl RsaKey {
    /// Reads PKCS#8 or PKCS#1 in DER.
    fn from_der(bytes: &[u8]) -> Option<Self> {
        let parse = || {
            PrivateDecryptingKey::from_pkcs8(bytes)
                .or_else(|_| PrivateDecryptingKey::from_pkcs8(&der::rsa_private_key_info(bytes)))
                .ok()
        };
        Some(Self {
            oaep: OaepPrivateDecryptingKey::new(parse()?).ok()?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(parse()?).ok()?,
        })
    }
}

/// NIST's curves. RFC 7518, section 6.2.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Finds the curve that JWK calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// Returns JWK's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Returns the length of a coordinate in bytes.
    pub(super) fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Returns what the library calls the curve.
    pub(super) fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &ECDH_P256,
            Self::P384 => &ECDH_P384,
            Self::P521 => &ECDH_P521,
        }
    }
}

impl Identity {
    fn of(key: Key) -> Self {
        Self(Arc::new(key))
    }

    /// Takes a passphrase, which opens keys that this format wraps under it.
    pub fn passphrase(passphrase: &Passphrase) -> Self {
        Self::of(Key::Passphrase(PassphraseIdentity::new(passphrase)))
    }

    /// Takes a key provider, which unwraps keys that a provider of its name has wrapped.
    pub fn provider(provider: Provider) -> Self {
        Self::of(Key::Provider(provider))
    }

    /// Reads a key file: PEM or DER of PKCS#8, PKCS#1 or SEC 1, a JWK, age's file of X25519 identities, or
    /// OpenPGP's secret keys, binary or in armor.
    ///
    /// # Errors
    /// The file is too long, holds no private key of a known kind, or its key is under a password.
    pub fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        if bytes.len() > MAX_KEY_FILE_BYTES {
            return Err(IdentityError::TooLong);
        }
        if contains(bytes, AGE.as_bytes()) {
            return Self::from_age(bytes);
        }
        if sealed_key::of(bytes).is_some() {
            return Err(IdentityError::Password);
        }
        if openpgp::is_secret(bytes) {
            return Self::from_openpgp(bytes, None);
        }
        if openpgp::is_public(bytes) {
            return Err(IdentityError::OpenPgpPublic);
        }
        if bytes.trim_ascii_start().first() == Some(&b'{') {
            return Self::from_jwk(bytes);
        }
        if !contains(bytes, b"-----BEGIN ") {
            return Self::from_der(bytes);
        }
        if old_pem::is_encrypted(bytes) {
            return Err(IdentityError::Password);
        }
        match PrivateKeyDer::from_pem_slice(bytes) {
            Err(_) if contains(bytes, b"BEGIN CERTIFICATE") => Err(IdentityError::Certificate),
            Ok(mut key) => {
                let identity = Self::from_der(key.secret_der());
                key.zeroize();
                identity
            }
            Err(_) => Err(IdentityError::NoKey),
        }
    }

    /// Reads a key file like [`parse`](Self::parse), and opens a key that is under a password. It
    /// takes PKCS#8's `EncryptedPrivateKeyInfo` (RFC 5958) with PBES2 (RFC 8018), in PEM or DER. It also
    /// takes the old form of PEM with AES, and OpenPGP's secret keys.
    ///
    /// # Errors
    /// The errors of [`parse`](Self::parse); a wrong password; another way of encryption.
    pub fn parse_with_password(bytes: &[u8], password: &Passphrase) -> Result<Self, IdentityError> {
        match sealed_key::of(bytes) {
            Some(sealed) if bytes.len() <= MAX_KEY_FILE_BYTES => {
                Self::from_der(&sealed_key::open(&sealed, password)?)
            }
            None if bytes.len() <= MAX_KEY_FILE_BYTES && openpgp::is_secret(bytes) => {
                Self::from_openpgp(bytes, Some(password))
            }
            None if bytes.len() <= MAX_KEY_FILE_BYTES && old_pem::is_encrypted(bytes) => {
                // A wrong password may by chance give a valid padding, but no key.
                let key = old_pem::open(bytes, password)?;
                Self::from_der(&key).map_err(|_| IdentityError::WrongPassword)
            }
            _ => Self::parse(bytes),
        }
    }

    fn from_der(bytes: &[u8]) -> Result<Self, IdentityError> {
        if let Some(key) = RsaKey::from_der(bytes) {
            return Ok(Self::of(Key::Rsa(key)));
        }
        Curve::ALL
            .into_iter()
            .find_map(|curve| {
                let key = PrivateKey::from_private_key_der(curve.agreement(), bytes).ok()?;
                Some(Self::of(Key::Ec(curve, key)))
            })
            .ok_or_else(|| match bytes {
                _ if is_certificate(bytes) => IdentityError::Certificate,
                _ if is_pkcs12(bytes) => IdentityError::Pkcs12,
                _ => IdentityError::NoKey,
            })
    }

    fn from_openpgp(bytes: &[u8], password: Option<&Passphrase>) -> Result<Self, IdentityError> {
        let keys = openpgp::secret_keys(bytes, password).map_err(|error| match error {
            SecretKeyError::NoKey => IdentityError::NoOpenPgpKey,
            SecretKeyError::Password => IdentityError::Password,
            SecretKeyError::UnknownEncryption => IdentityError::OpenPgpEncryption,
            SecretKeyError::WrongPassword => IdentityError::WrongPassword,
        })?;
        Ok(Self::of(Key::OpenPgp(keys)))
    }

    /// Reads one identity a line. Lines that begin with `#` are comments.
    fn from_age(bytes: &[u8]) -> Result<Self, IdentityError> {
        let text = str::from_utf8(bytes).map_err(|_| IdentityError::Age)?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities: Vec<_> = lines
            .map(x25519::Identity::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| IdentityError::Age)?;
        if identities.is_empty() {
            return Err(IdentityError::NoKey);
        }
        Ok(Self::of(Key::Age(identities)))
    }

    fn from_jwk(bytes: &[u8]) -> Result<Self, IdentityError> {
        let jwk: Jwk = serde_json::from_slice(bytes).map_err(|_| IdentityError::NoKey)?;
        match (jwk.kty.as_str(), jwk.crv.as_deref().and_then(Curve::named)) {
            ("EC", Some(curve)) => {
                let key = PrivateKey::from_private_key(curve.agreement(), &number(&jwk.d)?)
                    .map_err(|_| IdentityError::NoKey)?;
                Ok(Self::of(Key::Ec(curve, key)))
            }
            ("RSA", _) => {
                let members = [&jwk.n, &jwk.e, &jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi];
                let mut numbers = Vec::with_capacity(members.len());
                for member in members {
                    numbers.push(number(member)?);
                }
                Self::from_der(&der::rsa_private_key(std::array::from_fn(|i| &numbers[i][..])))
            }
            _ => Err(IdentityError::NoKey),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// A private key as JSON. RFC 7518, section 6.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    d: Option<String>,
    n: Option<String>,
    e: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
}

/// Recognizes a version 3 certificate by its version: nothing else has one in that place. RFC 5280,
/// section 4.1.
fn is_certificate(der: &[u8]) -> bool {
    let body =
        der::Reader::of(der, der::SEQUENCE).and_then(|mut inside| inside.next(der::SEQUENCE));
    body.is_some_and(|body| der::Reader::new(body).next(0xa0).is_some())
}

/// Tells a PKCS#12 file by its version, 3, which no private key has in that place. RFC 7292, section 4.
fn is_pkcs12(der: &[u8]) -> bool {
    let version = der::Reader::of(der, der::SEQUENCE).and_then(|mut body| body.next(der::INTEGER));
    version == Some(&[3])
}

fn number(member: &Option<String>) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let text = member.as_deref().ok_or(IdentityError::NoKey)?;
    URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| IdentityError::NoKey)
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

/// Why a file is no usable identity.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// A line of an age identity file is no X25519 identity.
    #[error("a line in it is no age identity (AGE-SECRET-KEY-1…)")]
    Age,
    /// It is a certificate, which other tools want beside its private key.
    #[error("it is a certificate, and no private key")]
    Certificate,
    /// It holds no private key of a known kind.
    #[error(
        "there is no private key in it: neither age's nor one for RSA (2048 to 8192 bits), P-256, \
         P-384 or P-521"
    )]
    NoKey,
    /// It holds OpenPGP's secret keys, but none that can decrypt.
    #[error(
        "there is no OpenPGP key in it that can decrypt: for RSA (2048 to 8192 bits), Curve25519, P-256, P-384 \
         or P-521"
    )]
    NoOpenPgpKey,
    /// OpenPGP's secret key is under a password, in a way that is not supported.
    #[error("its private key is encrypted in a way that is not supported")]
    OpenPgpEncryption,
    /// It is OpenPGP's public key.
    #[error("it is a public OpenPGP key, and no private key")]
    OpenPgpPublic,
    /// The key is under a password in the old form of PEM, and the cipher is not AES.
    #[error(
        "its private key is under a password in the old form of PEM, and the cipher is not AES, the only one that \
         is supported there"
    )]
    OldEncryption,
    /// The key is under a password.
    #[error("its private key is under a password")]
    Password,
    /// It is a PKCS#12 file.
    #[error("it is a PKCS#12 file (.p12, .pfx), of which no key is taken")]
    Pkcs12,
    /// The file is longer than [`MAX_KEY_FILE_BYTES`].
    #[error("it is longer than 64 KiB")]
    TooLong,
    /// The key is under a password, in another way than PBES2 with AES.
    #[error("its private key is encrypted in a way that is not supported")]
    UnknownEncryption,
    /// The key is under another password.
    #[error("wrong password for its private key")]
    WrongPassword,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_usable_key_is_said_to_be_none() {
        let error = |text: &str| Identity::parse(text.as_bytes()).unwrap_err();
        for text in ["", "x", "{", r#"{"kty":"oct","k":"AAAA"}"#, r#"{"kty":"EC","crv":"P-256"}"#] {
            assert_eq!(error(text), IdentityError::NoKey);
        }
        assert_eq!(error("-----BEGIN CERTIFICATE-----\n"), IdentityError::Certificate);
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
        assert_eq!(error(old), IdentityError::Password);
        assert_eq!(error(&"x".repeat(MAX_KEY_FILE_BYTES + 1)), IdentityError::TooLong);
    }
}
