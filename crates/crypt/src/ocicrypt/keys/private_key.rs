//! Private keys in the forms that the library uses.

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};

use super::curve::Curve;
use super::der;

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
                .or_else(|_| PrivateDecryptingKey::from_pkcs8(&der::rsa_private_key_info(bytes)))
                .ok()
        };
        Some(Self {
            oaep: OaepPrivateDecryptingKey::new(parse()?).ok()?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(parse()?).ok()?,
        })
    }
}
