//! Signatures, as far as they say which key of a certificate to use. RFC 4880, section 5.2.
//!
//! This module verifies signatures of version 4 over SHA-2, made with RSA, Ed25519, or ECDSA on
//! NIST's curves. Signatures by other keys than the primary one do not count, nor do signatures
//! over SHA-1.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA256_FIXED,
    ECDSA_P521_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
};

use super::material::{Material, PublicKey};
use crate::algorithms::hash_of;
use crate::curve::NistCurve;
use crate::packet::{Fields, padded};

/// Certifications of a user ID: 0x10 to 0x13. Section 5.2.1.
pub(super) const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
pub(super) const SUBKEY_BINDING: u8 = 0x18;
pub(super) const DIRECT: u8 = 0x1f;
pub(super) const KEY_REVOCATION: u8 = 0x20;
pub(super) const SUBKEY_REVOCATION: u8 = 0x28;

/// Two uses that a key may have: communications and storage. Section 5.2.3.21.
const MAY_ENCRYPT: u8 = 0x04 | 0x08;

/// Subpackets, section 5.2.3.1.
const CREATED: u8 = 2;
const EXPIRES: u8 = 3;
const KEY_EXPIRES: u8 = 9;
const KEY_FLAGS: u8 = 27;
/// The subpackets that may be marked as critical: the ones above, and others that change nothing
/// here.
const KNOWN: [u8; 16] = [2, 3, 4, 5, 7, 9, 11, 16, 21, 22, 23, 25, 27, 30, 32, 33];

/// A signature.
pub(super) struct Signature<'d> {
    /// The type, which gives the subject and the meaning of the signature.
    pub(super) kind: u8,
    /// The time at which it was made, in seconds since 1970.
    pub(super) created: u32,
    /// The number of seconds for which it holds, if not for ever.
    expires: Option<u32>,
    /// The number of seconds for which the key holds from its creation on, if not for ever.
    pub(super) key_expires: Option<u32>,
    /// The uses of the key, if the signature states any.
    flags: Option<u8>,
    hash: &'static digest::Algorithm,
    hashed: &'d [u8],
    numbers: Fields<'d>,
}

impl<'d> Signature<'d> {
    /// Reads the body of a signature. Returns `None` if it has an unknown version, hash or critical
    /// part.
    pub(super) fn parse(body: &'d [u8]) -> Option<Self> {
        let mut fields = Fields::new(body);
        let (version, kind) = (fields.u8()?, fields.u8()?);
        fields.u8()?;
        let hash = hash_of(fields.u8()?)?;
        let len = usize::from(fields.u16()?);
        let subpackets = fields.take(len)?;
        let hashed = &body[..6 + len];
        let unhashed = usize::from(fields.u16()?);
        // Anybody can change the parts that are not hashed, and the first two bytes of the hash.
        fields.take(unhashed)?;
        fields.u16()?;
        if version != 4 {
            return None;
        }
        let mut signature = Self {
            kind,
            created: 0,
            expires: None,
            key_expires: None,
            flags: None,
            hash,
            hashed,
            numbers: fields,
        };
        signature.read(Fields::new(subpackets))?;
        Some(signature)
    }

    fn read(&mut self, mut subpackets: Fields<'_>) -> Option<()> {
        while !subpackets.is_empty() {
            let (kind, content) = subpackets.subpacket()?;
            let number = || content.try_into().ok().map(u32::from_be_bytes);
            match kind & 0x7f {
                CREATED => self.created = number()?,
                EXPIRES => self.expires = Some(number()?).filter(|&seconds| seconds != 0),
                KEY_EXPIRES => self.key_expires = Some(number()?).filter(|&seconds| seconds != 0),
                KEY_FLAGS => self.flags = Some(content.first().copied().unwrap_or_default()),
                // The writer insists on this one, and this module does not know it.
                other if kind & 0x80 != 0 && !KNOWN.contains(&other) => return None,
                _ => {}
            }
        }
        Some(())
    }

    /// Tells whether it allows to encrypt to its key.
    pub(super) fn says_encrypt(&self) -> bool {
        self.flags.is_none_or(|flags| flags & MAY_ENCRYPT != 0)
    }

    /// Tells whether it still holds at `now`, in seconds since 1970.
    pub(super) fn holds(&self, now: u64) -> bool {
        holds(self.created, self.expires, now)
    }

    /// Tells whether `key` made it over `parts`, one after the other.
    pub(super) fn is_by(&self, key: &PublicKey, parts: &[&[u8]]) -> bool {
        self.verify(key, parts).is_some()
    }

    fn verify(&self, key: &PublicKey, parts: &[&[u8]]) -> Option<()> {
        let len = (self.hashed.len() as u32).to_be_bytes();
        let mut message = parts.concat();
        message.extend_from_slice(self.hashed);
        message.extend([4, 0xff]);
        message.extend(len);
        let mut numbers = self.numbers.clone();
        let mut number = |len| padded(numbers.number()?, len);
        match &key.material {
            Material::Rsa { n, e, .. } => {
                let parameters = match self.hash {
                    hash if *hash == SHA256 => &RSA_PKCS1_2048_8192_SHA256,
                    hash if *hash == SHA384 => &RSA_PKCS1_2048_8192_SHA384,
                    _ => &RSA_PKCS1_2048_8192_SHA512,
                };
                let signature = number(n.len())?;
                PublicKeyComponents { n, e }.verify(parameters, &message, &signature).ok()
            }
            Material::EdDsa(point) => {
                let signature = [&number(32)?[..], &number(32)?].concat();
                let hash = digest::digest(self.hash, &message);
                UnparsedPublicKey::new(&ED25519, point).verify(hash.as_ref(), &signature).ok()
            }
            Material::Ecdsa(curve, point) => {
                let algorithm = match (curve, self.hash) {
                    (NistCurve::P256, hash) if *hash == SHA256 => &ECDSA_P256_SHA256_FIXED,
                    (NistCurve::P384, hash) if *hash == SHA384 => &ECDSA_P384_SHA384_FIXED,
                    (NistCurve::P521, hash) if *hash == SHA256 => &ECDSA_P521_SHA256_FIXED,
                    (NistCurve::P521, hash) if *hash == SHA384 => &ECDSA_P521_SHA384_FIXED,
                    (NistCurve::P521, hash) if *hash == SHA512 => &ECDSA_P521_SHA512_FIXED,
                    _ => return None,
                };
                let len = curve.coordinate_len();
                let signature = [&number(len)?[..], &number(len)?].concat();
                UnparsedPublicKey::new(algorithm, point).verify(&message, &signature).ok()
            }
            Material::Ecdh(_) | Material::Other => None,
        }
    }
}

/// Tells whether something that was made at `created` and holds for `seconds` still holds at `now`.
pub(super) fn holds(created: u32, seconds: Option<u32>, now: u64) -> bool {
    seconds.is_none_or(|seconds| now < u64::from(created) + u64::from(seconds))
}
