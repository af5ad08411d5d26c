//! Keys in packets: the numbers of public keys, their fingerprints and IDs. RFC 4880, section 5.5.2
//! and 12.2; RFC 6637, section 9.
//!
//! This module reads keys of version 4 alone. Tools have made no others for twenty years.

use aws_lc_rs::agreement::{self, X25519};
use aws_lc_rs::cipher;
use aws_lc_rs::digest::{self, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};

use super::super::identity::Curve;
use super::packet::Fields;
use super::session_key::cipher_of;

/// The numbers of algorithms in RFC 4880, sections 9.1 and 13.
const RSA: u8 = 1;
const RSA_ENCRYPT_ONLY: u8 = 2;
const RSA_SIGN_ONLY: u8 = 3;
pub(super) const ECDH: u8 = 18;
const ECDSA: u8 = 19;
const EDDSA: u8 = 22;

const CURVE25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01];
const ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// The first byte of a point, on Bernstein's curves and on NIST's. RFC 9580, section 11.2.1.
pub(super) const NATIVE: u8 = 0x40;
pub(super) const UNCOMPRESSED: u8 = 4;

/// The last 8 bytes of a fingerprint. RFC 4880, section 12.2.
pub(super) type KeyId = [u8; 8];

/// A public key.
#[derive(Clone)]
pub(super) struct PublicKey {
    /// The time at which it was made, in seconds since 1970.
    pub(super) created: u32,
    /// Its numbers.
    pub(super) material: Material,
    /// The body of its packet, which signatures and the fingerprint hash.
    pub(super) body: Vec<u8>,
}

/// The numbers of a public key.
#[derive(Clone)]
pub(super) enum Material {
    /// Agrees on keys.
    Ecdh(Ecdh),
    /// Signs.
    Ecdsa(Curve, Vec<u8>),
    /// Signs; the point on Ed25519.
    EdDsa(Vec<u8>),
    /// A key of another algorithm or curve.
    Other,
    /// Signs, encrypts, or both.
    Rsa { n: Vec<u8>, e: Vec<u8>, encrypts: bool },
}

/// A point, and the way from a shared secret to a key. RFC 6637, section 9.
#[derive(Clone)]
pub(super) struct Ecdh {
    pub(super) curve: EcdhCurve,
    pub(super) point: Vec<u8>,
    pub(super) hash: &'static digest::Algorithm,
    pub(super) cipher: &'static cipher::Algorithm,
    /// The length of the cipher's key, in bytes.
    pub(super) key_len: usize,
    /// The hashed fields of the key: curve, algorithm, hash and cipher.
    pub(super) fields: Vec<u8>,
}

/// The curves of ECDH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EcdhCurve {
    Nist(Curve),
    X25519,
}

impl EcdhCurve {
    /// Returns the library's algorithm for the curve.
    pub(super) fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::Nist(curve) => curve.agreement(),
            Self::X25519 => &X25519,
        }
    }

    /// Returns the length of a private key in bytes.
    pub(super) fn scalar_len(self) -> usize {
        match self {
            Self::Nist(curve) => curve.coordinate_len(),
            Self::X25519 => 32,
        }
    }

    /// Returns a point in the form that the library takes. Returns `None` if it has another form
    /// than OpenPGP's.
    pub(super) fn point(self, number: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Nist(curve) => nist_point(curve, number),
            Self::X25519 => number.strip_prefix(&[NATIVE]).filter(|point| point.len() == 32),
        }
    }
}

impl PublicKey {
    /// Reads the body of a public key, or the beginning of a secret one. Returns the fields behind
    /// it, too.
    pub(super) fn parse(body: &[u8]) -> Option<(Self, Fields<'_>)> {
        let mut fields = Fields::new(body);
        if fields.u8()? != 4 {
            return None;
        }
        let created = fields.u32()?;
        let algorithm = fields.u8()?;
        let material = match algorithm {
            RSA | RSA_ENCRYPT_ONLY | RSA_SIGN_ONLY => Material::Rsa {
                n: fields.number()?.to_vec(),
                e: fields.number()?.to_vec(),
                encrypts: algorithm != RSA_SIGN_ONLY,
            },
            ECDH => ecdh(&mut fields)?,
            ECDSA | EDDSA => {
                let curve = curve(&mut fields)?;
                let point = fields.number()?;
                signing(algorithm, curve, point)
            }
            // The end of unknown numbers is unknown.
            _ => {
                fields.rest();
                Material::Other
            }
        };
        let rest = fields.clone().rest().len();
        let body = body[..body.len() - rest].to_vec();
        Some((Self { created, material, body }, fields))
    }

    /// Returns the bytes that signatures and fingerprints hash. RFC 4880, section 5.2.4.
    pub(super) fn hashed(&self) -> Vec<u8> {
        let len = (self.body.len() as u16).to_be_bytes();
        [&[0x99, len[0], len[1]], &self.body[..]].concat()
    }

    /// Returns the fingerprint. RFC 4880, section 12.2.
    pub(super) fn fingerprint(&self) -> [u8; 20] {
        let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        hash.update(&self.hashed());
        hash.finish().as_ref().try_into().expect("SHA-1 has 20 bytes")
    }
}

/// Returns the ID in a fingerprint: its last bytes.
pub(super) fn key_id(fingerprint: &[u8; 20]) -> KeyId {
    let (_, id) = fingerprint.split_last_chunk().expect("it has 20 bytes");
    *id
}

/// Takes the name of a curve.
fn curve<'d>(fields: &mut Fields<'d>) -> Option<&'d [u8]> {
    let len = usize::from(fields.u8()?);
    fields.take(len)
}

fn signing(algorithm: u8, curve: &[u8], point: &[u8]) -> Material {
    let known = match (algorithm, curve) {
        (EDDSA, ED25519) => point
            .strip_prefix(&[NATIVE])
            .filter(|point| point.len() == 32)
            .map(|point| Material::EdDsa(point.to_vec())),
        (ECDSA, curve) => nist(curve).and_then(|curve| {
            nist_point(curve, point).map(|point| Material::Ecdsa(curve, point.to_vec()))
        }),
        _ => None,
    };
    known.unwrap_or(Material::Other)
}

fn ecdh(fields: &mut Fields<'_>) -> Option<Material> {
    let curve = curve(fields)?;
    let number = fields.number()?;
    let len = usize::from(fields.u8()?);
    let kdf = fields.take(len)?;
    let known = || {
        let curve_of = match curve {
            CURVE25519 => EcdhCurve::X25519,
            curve => EcdhCurve::Nist(nist(curve)?),
        };
        let &[1, hash, cipher] = kdf else { return None };
        let (cipher, key_len) = cipher_of(cipher)?;
        Some(Ecdh {
            curve: curve_of,
            point: curve_of.point(number)?.to_vec(),
            hash: hash_of(hash)?,
            cipher,
            key_len,
            fields: [&[curve.len() as u8], curve, &[ECDH, 3, 1, hash, kdf[2]]].concat(),
        })
    };
    Some(known().map_or(Material::Other, Material::Ecdh))
}

fn nist(curve: &[u8]) -> Option<Curve> {
    match curve {
        P256 => Some(Curve::P256),
        P384 => Some(Curve::P384),
        P521 => Some(Curve::P521),
        _ => None,
    }
}

fn nist_point(curve: Curve, number: &[u8]) -> Option<&[u8]> {
    let len = 1 + 2 * curve.coordinate_len();
    (number.len() == len && number[0] == UNCOMPRESSED).then_some(number)
}

/// Finds a hash of the SHA-2 family. RFC 4880, section 9.4.
pub(super) fn hash_of(number: u8) -> Option<&'static digest::Algorithm> {
    match number {
        8 => Some(&SHA256),
        9 => Some(&SHA384),
        10 => Some(&SHA512),
        _ => None,
    }
}
