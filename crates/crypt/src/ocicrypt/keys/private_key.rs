//! Private keys in the forms that the library uses.

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};

use pkcs1::der::asn1::{OctetStringRef, UintRef};
use pkcs1::{ALGORITHM_ID, RsaPrivateKey};
use pkcs8::{PrivateKeyInfoRef, SecretDocument};

use super::curve::Curve;

/// A key on one of NIST's curves.
pub(crate) struct EcKey {
    pub(crate) curve: Curve,
    pub(crate) key: PrivateKey,
}

impl EcKey {
    /// Reads PKCS#8 or SEC 1 in DER.
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        Curve::ALL.into_iter().find_map(|curve| {
            let key = PrivateKey::from_private_key_der(curve.agreement(), bytes).ok()?;
            Some(Self { curve, key })
        })
    }

    /// Takes the number that is the key.
    pub(super) fn from_number(curve: Curve, number: &[u8]) -> Option<Self> {
        let key = PrivateKey::from_private_key(curve.agreement(), number).ok()?;
        Some(Self { curve, key })
    }
}

/// An RSA key of 2048 to 8192 bits, for both of its uses.
pub(crate) struct RsaKey {
    pub(crate) oaep: OaepPrivateDecryptingKey,
    pub(crate) pkcs1: Pkcs1PrivateDecryptingKey,
}

impl RsaKey {
    /// Reads PKCS#8 or PKCS#1 in DER.
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        let parse = || {
            PrivateDecryptingKey::from_pkcs8(bytes)
                .ok()
                .or_else(|| PrivateDecryptingKey::from_pkcs8(pkcs8_of(bytes)?.as_bytes()).ok())
        };
        Some(Self {
            oaep: OaepPrivateDecryptingKey::new(parse()?).ok()?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(parse()?).ok()?,
        })
    }

    /// Takes `n`, `e`, `d`, `p`, `q`, `dp`, `dq` and `qi`. RFC 8017, A.1.2.
    pub(super) fn from_numbers(numbers: [&[u8]; 8]) -> Option<Self> {
        let [n, e, d, p, q, dp, dq, qi] = numbers.map(|number| UintRef::new(number).ok());
        let key = SecretDocument::encode_msg(&RsaPrivateKey {
            modulus: n?,
            public_exponent: e?,
            private_exponent: d?,
            prime1: p?,
            prime2: q?,
            exponent1: dp?,
            exponent2: dq?,
            coefficient: qi?,
            other_prime_infos: None,
        });
        Self::from_der(key.ok()?.as_bytes())
    }
}

/// Puts an `RSAPrivateKey` (PKCS#1) into a `PrivateKeyInfo` (PKCS#8, RFC 5208).
fn pkcs8_of(pkcs1: &[u8]) -> Option<SecretDocument> {
    let key = OctetStringRef::new(pkcs1).ok()?;
    SecretDocument::encode_msg(&PrivateKeyInfoRef::new(ALGORITHM_ID, key)).ok()
}
