//! Secret keys, as `gpg --export-secret-keys` writes them, in clear or under a password. RFC 4880,
//! sections 5.5.3 and 11.2.
//!
//! Nothing here checks whether a key is expired or revoked, or who owns it: messages to such a key
//! can still be opened.

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::cipher::DecryptionContext;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

use super::certificate::{begins_with, bytes_of};
use super::cipher;
use super::material::{Ecdh, EcdhCurve, KeyId, Material, PublicKey, key_id};
use super::packet::{Fields, Packets, SECRET_KEY, SECRET_SUBKEY, padded};
use super::s2k::StringToKey;
use super::session_key::{SessionKey, cipher_of};
use crate::Passphrase;
use crate::ocicrypt::der;

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

/// A key that opens session keys.
pub(in super::super) struct SecretKey {
    pub(super) fingerprint: [u8; 20],
    pub(super) id: KeyId,
    pub(super) secret: Secret,
}

pub(super) enum Secret {
    Ecdh(Ecdh, PrivateKey),
    Rsa(Pkcs1PrivateDecryptingKey),
}

/// Why a file gives no secret keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum SecretKeyError {
    /// None is of a known kind.
    NoKey,
    /// They are under a password, and none was given.
    Password,
    /// They are encrypted in a way that is not known.
    UnknownEncryption,
    /// The password is wrong.
    WrongPassword,
}

/// Tells whether a file begins as OpenPGP's secret keys do.
pub(in super::super) fn is_secret(file: &[u8]) -> bool {
    begins_with(file, SECRET_KEY)
}

/// Reads the keys of a file that can decrypt.
///
/// # Errors
/// There is none, or a password is missing or wrong.
pub(in super::super) fn secret_keys(
    file: &[u8],
    password: Option<&Passphrase>,
) -> Result<Vec<SecretKey>, SecretKeyError> {
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

fn secret_key(body: &[u8], password: Option<&Passphrase>) -> Result<SecretKey, SecretKeyError> {
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
    fn open(&self, password: &Passphrase) -> Option<Zeroizing<Vec<u8>>> {
        let (cipher, len) = cipher_of(self.cipher)?;
        let key = SessionKey { cipher, bytes: self.s2k.key(password.as_bytes(), len) };
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
fn secret(public: &Material, mut numbers: Fields<'_>) -> Option<Secret> {
    match public {
        Material::Rsa { n, e, .. } => {
            let [d, p, q, u] = [(); 4].map(|()| numbers.number());
            let (d, p, q, u) = (d?, p?, q?, u?);
            // OpenPGP has the inverse of p modulo q. PKCS#1 has the inverse of its second prime
            // modulo its first, so p and q change places.
            let (dp, dq) = (remainder_but_one(d, q)?, remainder_but_one(d, p)?);
            let pkcs1 = der::rsa_private_key([n, e, d, q, p, &dp, &dq, u]);
            let key = PrivateDecryptingKey::from_pkcs8(&der::rsa_private_key_info(&pkcs1)).ok()?;
            Some(Secret::Rsa(Pkcs1PrivateDecryptingKey::new(key).ok()?))
        }
        Material::Ecdh(ecdh) => {
            let mut scalar = padded(numbers.number()?, ecdh.curve.scalar_len())?;
            if ecdh.curve == EcdhCurve::X25519 {
                // The library has the bytes of the number in the opposite order. RFC 7748, section
                // 5.
                scalar.reverse();
            }
            let key = PrivateKey::from_private_key(ecdh.curve.agreement(), &scalar).ok()?;
            Some(Secret::Ecdh(ecdh.clone(), key))
        }
        _ => None,
    }
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
