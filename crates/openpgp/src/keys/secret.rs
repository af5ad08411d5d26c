//! Secret keys, as `gpg --export-secret-keys` writes them, in clear or under a password. RFC 4880,
//! sections 5.5.3 and 11.2.
//!
//! Nothing here checks whether a key is expired or revoked, or who owns it: messages to such a key
//! can still be opened.

use std::fmt;

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::cipher::DecryptionContext;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use pkcs1::der::asn1::{OctetStringRef, UintRef};
use pkcs1::{ALGORITHM_ID, RsaPrivateKey};
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use super::file::{MAX_FILE_BYTES, bytes_of};
use super::material::{Ecdh, KeyId, Material, PublicKey, key_id};
use super::s2k::StringToKey;
use crate::algorithms::cipher_of;
use crate::cipher;
use crate::curve::EcdhCurve;
use crate::packet::{Fields, Packets, SECRET_KEY, SECRET_SUBKEY, padded};
use crate::session_key::SessionKey;

/// The most keys of a file that are looked at. Under a password, each costs a derivation.
const MAX_KEYS: usize = 16;

/// Two values of the byte that says how the numbers are encrypted: not at all, or with a SHA-1
/// inside. Section 5.5.3.
const IN_CLEAR: u8 = 0;
const WITH_SHA1: u8 = 254;

/// GnuPG's mark for a key that is elsewhere: string-to-key 101.
const ELSEWHERE: u8 = 101;

/// The longest number of an RSA key, in bytes: 8192 bits.
const MAX_RSA_BYTES: usize = 1024;

/// The length of an initialization vector, in bytes.
const BLOCK: usize = 16;

/// The secret keys of one file, as far as they can decrypt.
pub struct SecretKeys(Vec<SecretKey>);

/// A key that decrypts session keys.
pub(crate) struct SecretKey {
    pub(crate) fingerprint: [u8; 20],
    pub(crate) id: KeyId,
    pub(crate) secret: SecretMaterial,
}

pub(crate) enum SecretMaterial {
    Ecdh(Ecdh, PrivateKey),
    Rsa(Pkcs1PrivateDecryptingKey),
}

impl SecretKeys {
    /// Reads the keys of a file that can decrypt, binary or in armor, in clear or under `password`.
    ///
    /// # Errors
    /// There is none, or the password is missing or wrong.
    pub fn parse(file: &[u8], password: Option<&[u8]>) -> Result<Self, SecretKeyError> {
        secret_keys(file, password).map(Self)
    }

    /// Returns the number of the keys. Opening a message costs at most this number of key
    /// operations for each of its recipients.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the keys.
    pub(crate) fn all(&self) -> &[SecretKey] {
        &self.0
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKeys(..)")
    }
}

fn secret_keys(file: &[u8], password: Option<&[u8]>) -> Result<Vec<SecretKey>, SecretKeyError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(SecretKeyError::TooLong);
    }
    let bytes = bytes_of(file).ok_or(SecretKeyError::NoKey)?;
    let mut packets = Packets::new(&bytes);
    let mut keys = Vec::new();
    let mut refused = SecretKeyError::NoKey;
    let mut count = 0;
    while let Some(packet) = packets.next() {
        if !matches!(packet.tag, SECRET_KEY | SECRET_SUBKEY) {
            continue;
        }
        count += 1;
        if count > MAX_KEYS {
            return Err(SecretKeyError::NoKey);
        }
        match secret_key(&packet.body, password) {
            Ok(key) => keys.push(key),
            Err(SecretKeyError::NoKey) => {}
            // A key that cannot be opened does not hide the others.
            Err(error) => refused = error,
        }
    }
    match (keys.is_empty(), refused) {
        (true, error) | (_, error @ SecretKeyError::Password) => Err(error),
        _ => Ok(keys),
    }
}

fn secret_key(body: &[u8], password: Option<&[u8]>) -> Result<SecretKey, SecretKeyError> {
    let (public, mut fields) = PublicKey::parse(body).ok_or(SecretKeyError::NoKey)?;
    if !matches!(public.material, Material::Ecdh(_) | Material::Rsa { encrypts: true, .. }) {
        return Err(SecretKeyError::NoKey);
    }
    let numbers = match fields.u8().ok_or(SecretKeyError::NoKey)? {
        IN_CLEAR => in_clear(fields.rest()).ok_or(SecretKeyError::NoKey)?,
        WITH_SHA1 => {
            if fields.clone().rest().get(1) == Some(&ELSEWHERE) {
                return Err(SecretKeyError::NoKey);
            }
            let sealed = Sealed::parse(fields).ok_or(SecretKeyError::UnknownEncryption)?;
            let password = password.ok_or(SecretKeyError::Password)?;
            sealed.open(password).ok_or(SecretKeyError::WrongPassword)?
        }
        _ => return Err(SecretKeyError::UnknownEncryption),
    };
    let secret = secret(&public.material, Fields::new(&numbers)).ok_or(SecretKeyError::NoKey)?;
    let fingerprint = public.fingerprint();
    Ok(SecretKey { fingerprint, id: key_id(&fingerprint), secret })
}

/// Checks and removes the sum behind numbers that are not encrypted.
fn in_clear(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (numbers, sum) = bytes.split_last_chunk::<2>()?;
    let expected = numbers.iter().fold(0, |sum: u16, &byte| sum.wrapping_add(u16::from(byte)));
    (expected == u16::from_be_bytes(*sum)).then(|| Zeroizing::new(numbers.to_vec()))
}

/// Numbers that are encrypted under a password.
struct Sealed<'d> {
    cipher: u8,
    s2k: StringToKey,
    iv: [u8; BLOCK],
    bytes: &'d [u8],
}

impl<'d> Sealed<'d> {
    fn parse(mut fields: Fields<'d>) -> Option<Self> {
        let cipher = fields.u8()?;
        cipher_of(cipher)?;
        let s2k = StringToKey::parse(&mut fields)?;
        Some(Self { cipher, s2k, iv: fields.array()?, bytes: fields.rest() })
    }

    /// Decrypts the numbers. Returns `None` if the password is wrong.
    fn open(&self, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (cipher, len) = cipher_of(self.cipher)?;
        let key = SessionKey { cipher, bytes: self.s2k.key(password, len) };
        let mut bytes = Zeroizing::new(self.bytes.to_vec());
        let iv = DecryptionContext::Iv128(FixedLength::from(self.iv));
        cipher::decrypt(&mut bytes, &key, iv)?;
        let (numbers, hash) = bytes.split_last_chunk::<20>()?;
        let expected = digest(&SHA1_FOR_LEGACY_USE_ONLY, numbers);
        verify_slices_are_equal(expected.as_ref(), hash).ok()?;
        Some(Zeroizing::new(numbers.to_vec()))
    }
}

/// Makes a key from its public and its secret numbers.
fn secret(public: &Material, mut numbers: Fields<'_>) -> Option<SecretMaterial> {
    match public {
        Material::Rsa { n, e, .. } => {
            let [d, p, q, u] = [(); 4].map(|()| numbers.number());
            let (d, p, q, u) = (d?, p?, q?, u?);
            // OpenPGP has the inverse of p modulo q. PKCS#1 has the inverse of its second prime
            // modulo its first, so p and q change places.
            let (dp, dq) = (remainder_but_one(d, q)?, remainder_but_one(d, p)?);
            rsa([n, e, d, q, p, &dp, &dq, u]).map(SecretMaterial::Rsa)
        }
        Material::Ecdh(ecdh) => {
            let mut scalar = padded(numbers.number()?, ecdh.curve.scalar_len())?;
            if ecdh.curve == EcdhCurve::X25519 {
                // The library has the bytes of the number in the opposite order. RFC 7748, section
                // 5.
                scalar.reverse();
            }
            let key = PrivateKey::from_private_key(ecdh.curve.agreement(), &scalar).ok()?;
            Some(SecretMaterial::Ecdh(ecdh.clone(), key))
        }
        _ => None,
    }
}

/// Makes an RSA key of the numbers of PKCS#1: `n`, `e`, `d`, `p`, `q`, `dp`, `dq`, `qi`. RFC 8017,
/// A.1.2; RFC 5208, section 5.
fn rsa(numbers: [&[u8]; 8]) -> Option<Pkcs1PrivateDecryptingKey> {
    let [n, e, d, p, q, dp, dq, qi] = numbers.map(|number| UintRef::new(number).ok());
    let pkcs1 = SecretDocument::encode_msg(&RsaPrivateKey {
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
    let pkcs1 = pkcs1.ok()?;
    let key = OctetStringRef::new(pkcs1.as_bytes()).ok()?;
    let pkcs8 = SecretDocument::encode_msg(&PrivateKeyInfoRef::new(ALGORITHM_ID, key)).ok()?;
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8.as_bytes()).ok()?;
    Pkcs1PrivateDecryptingKey::new(key).ok()
}

/// Returns the remainder of `number` by `odd` less one. PKCS#1 has that number, and OpenPGP does
/// not.
///
/// The time tells something of both numbers; but it is spent only once, where the key is read. The
/// function refuses numbers that are longer than the longest key's: the file's author chooses their
/// lengths, and the time grows with both.
fn remainder_but_one(number: &[u8], odd: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if number.len().max(odd.len()) > MAX_RSA_BYTES {
        return None;
    }
    let mut divisor = Zeroizing::new(odd.to_vec());
    let last = divisor.last_mut().filter(|last| **last & 1 == 1)?;
    *last ^= 1;
    // One byte more than the divisor, for the carry.
    let len = divisor.len() + 1;
    let divisor = padded(&divisor, len)?;
    let mut rest = Zeroizing::new(vec![0_u8; len]);
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)) {
        let mut carry = bit;
        for byte in rest.iter_mut().rev() {
            let carried = *byte >> 7;
            *byte = *byte << 1 | carry;
            carry = carried;
        }
        if rest[..] >= divisor[..] {
            let mut borrow = false;
            for (byte, &less) in rest.iter_mut().zip(divisor.iter()).rev() {
                let (first, under) = byte.overflowing_sub(less);
                let (second, under_again) = first.overflowing_sub(u8::from(borrow));
                (*byte, borrow) = (second, under || under_again);
            }
        }
    }
    Some(rest)
}

/// Why a file gives no secret keys.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretKeyError {
    /// None is of a known kind.
    #[error(
        "there is no OpenPGP key in it that can decrypt: for RSA (2048 to 8192 bits), Curve25519, P-256, P-384 \
         or P-521"
    )]
    NoKey,
    /// They are under a password, and none was given.
    #[error("its OpenPGP key is under a password")]
    Password,
    /// The file is too long for a key.
    #[error("it is longer than 64 KiB")]
    TooLong,
    /// They are encrypted in a way that is not known.
    #[error("its OpenPGP key is encrypted in a way that is not supported")]
    UnknownEncryption,
    /// The password is wrong.
    #[error("wrong password for its OpenPGP key")]
    WrongPassword,
}

impl Classified for SecretKeyError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_longer_than_those_of_any_key_are_not_reckoned_with() {
        let (longest, longer) = ([1; MAX_RSA_BYTES], [1; MAX_RSA_BYTES + 1]);
        assert!(remainder_but_one(&longest, &[3]).is_some());
        assert!(remainder_but_one(&[3], &longest).is_some());
        assert!(remainder_but_one(&longer, &[3]).is_none());
        assert!(remainder_but_one(&[3], &longer).is_none());
    }

    #[test]
    fn remainders_are_those_of_arithmetic() {
        for (number, odd) in
            [(0, 3), (1, 3), (1_000_003, 65_537), (u64::MAX, 0xfedc_ba98_7654_3211)]
        {
            let (number, odd): (u64, u64) = (number, odd);
            let rest = remainder_but_one(&number.to_be_bytes(), &odd.to_be_bytes()).unwrap();
            let (_, rest) = rest.split_last_chunk::<8>().unwrap();
            assert_eq!(u64::from_be_bytes(*rest), number % (odd - 1), "{number} {odd}");
        }
        assert!(remainder_but_one(&[1], &[2]).is_none() && remainder_but_one(&[1], &[]).is_none());
    }
}
