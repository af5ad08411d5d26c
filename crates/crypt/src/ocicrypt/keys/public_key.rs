//! Public keys, as other tools keep them in files.

use aws_lc_rs::agreement::{ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pkcs1::ALGORITHM_ID;
use pkcs8::Document;
use pkcs8::der::Encode as _;
use pkcs8::der::asn1::BitStringRef;
use pkcs8::spki::SubjectPublicKeyInfoRef;
use sealcrate_errors::{Classified, ErrorClass};
use serde::Deserialize;
use thiserror::Error;

use super::curve::Curve;
use super::identity::{Identity, IdentityError, MAX_KEY_FILE_BYTES};

/// The first byte of a point with both coordinates. SEC 1, section 2.3.3.
const UNCOMPRESSED: u8 = 4;

/// The public side of a private key.
pub(crate) enum PublicKey {
    /// A key on one of NIST's curves, in a form that the library reads.
    Ec(Curve, Vec<u8>),
    /// An RSA key of 2048 to 8192 bits, with its `SubjectPublicKeyInfo`.
    Rsa {
        /// The key.
        key: OaepPublicEncryptingKey,
        /// The `SubjectPublicKeyInfo`, in DER.
        id: Vec<u8>,
    },
}

impl PublicKey {
    /// Returns the bytes that one key has in every file format: the point, or the DER of an RSA
    /// key.
    pub(crate) fn id(&self) -> &[u8] {
        match self {
            Self::Ec(curve, bytes) => &bytes[bytes.len() - 1 - 2 * curve.coordinate_len()..],
            Self::Rsa { id, .. } => id,
        }
    }

    /// Reads a key file: PEM or DER of a `SubjectPublicKeyInfo` (RFC 5280) or of PKCS#1, or a JWK.
    ///
    /// # Errors
    /// The file is too long, holds no public key of a known kind, or holds a private key.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        if bytes.len() > MAX_KEY_FILE_BYTES {
            return Err(PublicKeyError::TooLong);
        }
        if is_private(bytes) {
            return Err(PublicKeyError::PrivateKey);
        }
        if bytes.trim_ascii_start().first() == Some(&b'{') {
            return Self::from_jwk(bytes);
        }
        let pem = str::from_utf8(bytes).ok().and_then(|text| Document::from_pem(text).ok());
        match pem {
            Some(("PUBLIC KEY" | "RSA PUBLIC KEY", document)) => {
                Self::from_der(document.as_bytes())
            }
            Some(("CERTIFICATE", _)) => Err(PublicKeyError::Certificate),
            Some(_) => Err(PublicKeyError::NoKey),
            None => Self::from_der(bytes),
        }
    }

    fn from_der(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let rsa = PublicEncryptingKey::from_der(bytes)
            .ok()
            .or_else(|| PublicEncryptingKey::from_der(&subject_public_key_info(bytes)?).ok());
        if let Some(key) = rsa {
            return Self::from_rsa(key);
        }
        Curve::ALL
            .into_iter()
            .find_map(|curve| Self::from_point(curve, bytes.to_vec()))
            .ok_or(PublicKeyError::NoKey)
    }

    fn from_rsa(key: PublicEncryptingKey) -> Result<Self, PublicKeyError> {
        let id: PublicKeyX509Der<'_> = key.as_der().map_err(|_| PublicKeyError::NoKey)?;
        let id = id.as_ref().to_vec();
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| PublicKeyError::NoKey)?;
        Ok(Self::Rsa { key, id })
    }

    fn from_point(curve: Curve, bytes: Vec<u8>) -> Option<Self> {
        ParsedPublicKey::try_from(&UnparsedPublicKey::new(curve.agreement(), &bytes)).ok()?;
        // Compressed points are shorter. They are rare, and not taken.
        let start = bytes.len().checked_sub(1 + 2 * curve.coordinate_len())?;
        (bytes[start] == UNCOMPRESSED).then_some(Self::Ec(curve, bytes))
    }

    fn from_jwk(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let jwk: Jwk = serde_json::from_slice(bytes).map_err(|_| PublicKeyError::NoKey)?;
        match (jwk.kty.as_str(), jwk.crv.as_deref().and_then(Curve::named)) {
            ("EC", Some(curve)) => {
                let (x, y) = (number(&jwk.x)?, number(&jwk.y)?);
                if x.len() != curve.coordinate_len() || y.len() != x.len() {
                    return Err(PublicKeyError::NoKey);
                }
                Self::from_point(curve, [&[UNCOMPRESSED], &x[..], &y].concat())
                    .ok_or(PublicKeyError::NoKey)
            }
            ("RSA", _) => {
                let components = PublicKeyComponents { n: number(&jwk.n)?, e: number(&jwk.e)? };
                let key: Result<PublicEncryptingKey, _> = components.try_into();
                Self::from_rsa(key.map_err(|_| PublicKeyError::NoKey)?)
            }
            _ => Err(PublicKeyError::NoKey),
        }
    }
}

/// Puts an `RSAPublicKey` (PKCS#1) into a `SubjectPublicKeyInfo` (RFC 5280).
fn subject_public_key_info(pkcs1: &[u8]) -> Option<Vec<u8>> {
    let subject_public_key = BitStringRef::from_bytes(pkcs1).ok()?;
    SubjectPublicKeyInfoRef { algorithm: ALGORITHM_ID, subject_public_key }.to_der().ok()
}

/// Recognizes a private key, which the user may have taken for its public one.
fn is_private(bytes: &[u8]) -> bool {
    !matches!(
        Identity::parse(bytes),
        Err(IdentityError::Certificate
            | IdentityError::NoKey
            | IdentityError::OpenPgpPublic
            | IdentityError::TooLong)
    )
}

/// A public key as JSON. RFC 7518, section 6.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

fn number(member: &Option<String>) -> Result<Vec<u8>, PublicKeyError> {
    let text = member.as_deref().ok_or(PublicKeyError::NoKey)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| PublicKeyError::NoKey)
}

/// Why a file is no usable public key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// It is a certificate.
    #[error("it holds a certificate, not a public key alone")]
    Certificate,
    /// It holds no public key of a known kind.
    #[error("there is no public key in it for RSA (2048 to 8192 bits) or P-256, P-384 or P-521")]
    NoKey,
    /// It holds the private key.
    #[error("it holds a private key, not the public one")]
    PrivateKey,
    /// The file is too long for a key.
    #[error("it is longer than 64 KiB")]
    TooLong,
}

impl Classified for PublicKeyError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}
