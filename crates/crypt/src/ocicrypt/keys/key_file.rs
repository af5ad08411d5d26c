//! Key files of other tools: the private key in one becomes an identity.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use sealcrate_agefile::x25519;
use sealcrate_openpgp::{SecretKeyError, SecretKeys};
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::curve::Curve;
use super::identity::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
use super::private_key::{EcKey, RsaKey};
use super::{der, encrypted_key, legacy_pem};
use crate::Passphrase;

/// How the text of age's X25519 identities begins.
const AGE: &str = "AGE-SECRET-KEY-1";

impl Identity {
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
        if encrypted_key::of(bytes).is_some() {
            return Err(IdentityError::Password);
        }
        if sealcrate_openpgp::is_secret(bytes) {
            return Self::from_openpgp(bytes, None);
        }
        if sealcrate_openpgp::is_public(bytes) {
            return Err(IdentityError::OpenPgpPublic);
        }
        if bytes.trim_ascii_start().first() == Some(&b'{') {
            return Self::from_jwk(bytes);
        }
        if !contains(bytes, b"-----BEGIN ") {
            return Self::from_der(bytes);
        }
        if legacy_pem::is_encrypted(bytes) {
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
        match encrypted_key::of(bytes) {
            Some(sealed) if bytes.len() <= MAX_KEY_FILE_BYTES => {
                Self::from_der(&encrypted_key::open(&sealed, password)?)
            }
            None if bytes.len() <= MAX_KEY_FILE_BYTES && sealcrate_openpgp::is_secret(bytes) => {
                Self::from_openpgp(bytes, Some(password))
            }
            None if bytes.len() <= MAX_KEY_FILE_BYTES && legacy_pem::is_encrypted(bytes) => {
                // A wrong password may by chance give a valid padding, but no key.
                let key = legacy_pem::open(bytes, password)?;
                Self::from_der(&key).map_err(|_| IdentityError::WrongPassword)
            }
            _ => Self::parse(bytes),
        }
    }

    fn from_der(bytes: &[u8]) -> Result<Self, IdentityError> {
        if let Some(key) = RsaKey::from_der(bytes) {
            return Ok(Self::of(key));
        }
        EcKey::from_der(bytes).map(Self::of).ok_or_else(|| match bytes {
            _ if is_certificate(bytes) => IdentityError::Certificate,
            _ if is_pkcs12(bytes) => IdentityError::Pkcs12,
            _ => IdentityError::NoKey,
        })
    }

    fn from_openpgp(bytes: &[u8], password: Option<&Passphrase>) -> Result<Self, IdentityError> {
        let password = password.map(Passphrase::as_bytes);
        let keys = SecretKeys::parse(bytes, password).map_err(|error| match error {
            SecretKeyError::Password => IdentityError::Password,
            SecretKeyError::TooLong => IdentityError::TooLong,
            SecretKeyError::UnknownEncryption => IdentityError::OpenPgpEncryption,
            SecretKeyError::WrongPassword => IdentityError::WrongPassword,
            _ => IdentityError::NoOpenPgpKey,
        })?;
        Ok(Self::of(keys))
    }

    /// Reads one identity a line. Lines that begin with `#` are comments.
    fn from_age(bytes: &[u8]) -> Result<Self, IdentityError> {
        let text = str::from_utf8(bytes).map_err(|_| IdentityError::Age)?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities: Vec<x25519::Identity> = lines
            .map(x25519::Identity::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| IdentityError::Age)?;
        if identities.is_empty() {
            return Err(IdentityError::NoKey);
        }
        Ok(Self::of(identities))
    }

    fn from_jwk(bytes: &[u8]) -> Result<Self, IdentityError> {
        let jwk: Jwk = serde_json::from_slice(bytes).map_err(|_| IdentityError::NoKey)?;
        match (jwk.kty.as_str(), jwk.crv.as_deref().and_then(Curve::named)) {
            ("EC", Some(curve)) => {
                let key = EcKey::from_number(curve, &number(&jwk.d)?);
                key.map(Self::of).ok_or(IdentityError::NoKey)
            }
            ("RSA", _) => {
                let members = [&jwk.n, &jwk.e, &jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi];
                let mut numbers = Vec::with_capacity(members.len());
                for member in members {
                    numbers.push(number(member)?);
                }
                let key = RsaKey::from_numbers(std::array::from_fn(|i| &numbers[i][..]));
                key.map(Self::of).ok_or(IdentityError::NoKey)
            }
            _ => Err(IdentityError::NoKey),
        }
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
