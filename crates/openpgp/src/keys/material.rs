//! Keys in packets: the numbers of public keys, their fingerprints and IDs. RFC 4880, section 5.5.2
//! and 12.2; RFC 6637, section 9.
//!
//! This module reads keys of version 4 alone. Tools have made no others for twenty years.

use aws_lc_rs::cipher;
use aws_lc_rs::digest::{self, Context, SHA1_FOR_LEGACY_USE_ONLY};

use crate::algorithms::{
    ECDH, ECDSA, EDDSA, RSA, RSA_ENCRYPT_ONLY, RSA_SIGN_ONLY, cipher_of, hash_of,
};
use crate::curve::{ED25519, EcdhCurve, NistCurve, native_point};
use crate::packet::Fields;

/// The ID of a key: the last 8 bytes of its fingerprint. RFC 4880, section 12.2.
pub type KeyId = [u8; 8];

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
    Ecdsa(NistCurve, Vec<u8>),
    /// Signs; the point on Ed25519.
    EdDsa(Vec<u8>),
    /// A key of another algorithm or curve.
    Other,
    /// Signs, encrypts, or both.
    Rsa { n: Vec<u8>, e: Vec<u8>, encrypts: bool },
}

/// A point, and the way from a shared secret to a key. RFC 6637, section 9.
#[derive(Clone)]
pub(crate) struct Ecdh {
    pub(crate) curve: EcdhCurve,
    pub(crate) point: Vec<u8>,
    pub(crate) hash: &'static digest::Algorithm,
    pub(crate) cipher: &'static cipher::Algorithm,
    /// The length of the cipher's key, in bytes.
    pub(crate) key_len: usize,
    /// The hashed fields of the key: curve, algorithm, hash and cipher.
    pub(crate) fields: Vec<u8>,
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
        (EDDSA, ED25519) => native_point(point).map(|point| Material::EdDsa(point.to_vec())),
        (ECDSA, curve) => NistCurve::named(curve)
            .and_then(|curve| Some(Material::Ecdsa(curve, curve.point(point)?.to_vec()))),
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
        let curve_of = EcdhCurve::named(curve)?;
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
