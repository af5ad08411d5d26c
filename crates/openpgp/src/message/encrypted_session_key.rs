//! Session keys, which encrypt messages, and are themselves encrypted to a recipient's key. RFC
//! 4880, section 5.1; RFC 6637, sections 7 and 8.

use std::io;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, Algorithm};
use aws_lc_rs::digest::Context;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::Pkcs1PublicEncryptingKey;
use zeroize::Zeroizing;

use super::key_wrap;
use super::material::{ECDH, Ecdh, EcdhCurve, KeyId, NATIVE};
use super::packet::{Fields, padded, write_number};
use super::secret::{Secret, SecretKey};

const VERSION: u8 = 3;
const RSA: u8 = 1;
const RSA_ENCRYPT_ONLY: u8 = 2;

/// The number of AES with 256 bits. RFC 4880, section 9.2.
const AES_256_NUMBER: u8 = 9;

/// The key of a message.
pub(super) struct SessionKey {
    pub(super) cipher: &'static Algorithm,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl SessionKey {
    /// Makes a session key for AES-256.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        rand::fill(&mut bytes).map_err(|_| failed())?;
        Ok(Self { cipher: &AES_256, bytes })
    }

    /// Reads the number of the cipher, the key, and the sum of the key's bytes.
    fn parse(encoded: &[u8]) -> Option<Self> {
        let (&number, rest) = encoded.split_first()?;
        let (bytes, sum) = rest.split_last_chunk::<2>()?;
        let (cipher, len) = cipher_of(number)?;
        let is_right = bytes.len() == len && sum_of(bytes) == u16::from_be_bytes(*sum);
        is_right.then(|| Self { cipher, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// Writes a key for AES-256 in the form that [`parse`](Self::parse) reads.
    fn encoded(&self) -> Zeroizing<Vec<u8>> {
        let sum = sum_of(&self.bytes).to_be_bytes();
        Zeroizing::new([&[AES_256_NUMBER], &self.bytes[..], &sum].concat())
    }
}

/// Returns the AES with the cipher number `number`, and the length of its key in bytes.
pub(super) fn cipher_of(number: u8) -> Option<(&'static Algorithm, usize)> {
    match number {
        7 => Some((&AES_128, 16)),
        8 => Some((&AES_192, 24)),
        AES_256_NUMBER => Some((&AES_256, 32)),
        _ => None,
    }
}

fn sum_of(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, &byte| sum.wrapping_add(u16::from(byte)))
}

/// A public key to which session keys are encrypted.
pub(super) struct EncryptionKey {
    pub(super) fingerprint: [u8; 20],
    pub(super) id: KeyId,
    pub(super) kind: EncryptionKind,
}

pub(super) enum EncryptionKind {
    Ecdh(Ecdh),
    Rsa(Pkcs1PublicEncryptingKey),
}

/// A session key in a message.
#[derive(Debug)]
pub(super) struct WrappedSessionKey {
    /// The ID of the recipient's key, or zeros if the message does not tell. Section 5.1.
    pub(super) id: KeyId,
    sealed: Sealed,
}

#[derive(Debug)]
enum Sealed {
    /// The ephemeral point, as a number, and the wrapped session key.
    Ecdh(Vec<u8>, Vec<u8>),
    Rsa(Vec<u8>),
}

impl WrappedSessionKey {
    /// Reads the body of a packet. Returns `None` if it is of another version or algorithm.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(body);
        if fields.u8()? != VERSION {
            return None;
        }
        let id = fields.array()?;
        let sealed = match fields.u8()? {
            RSA | RSA_ENCRYPT_ONLY => Sealed::Rsa(fields.number()?.to_vec()),
            ECDH => {
                let point = fields.number()?.to_vec();
                let len = usize::from(fields.u8()?);
                Sealed::Ecdh(point, fields.take(len)?.to_vec())
            }
            _ => return None,
        };
        fields.is_empty().then_some(Self { id, sealed })
    }

    /// Tells whether the session key names `key` as its recipient's, or no key.
    pub(super) fn may_be_for(&self, key: &SecretKey) -> bool {
        let is_kind = matches!(
            (&self.sealed, &key.secret),
            (Sealed::Ecdh(..), Secret::Ecdh(..)) | (Sealed::Rsa(_), Secret::Rsa(_))
        );
        is_kind && (self.id == key.id || self.is_for_anybody())
    }

    /// Tells whether the session key names no recipient.
    pub(super) fn is_for_anybody(&self) -> bool {
        self.id == KeyId::default()
    }

    /// Opens the session key with `key`. Returns `None` for every kind of failure.
    pub(super) fn open(&self, key: &SecretKey) -> Option<SessionKey> {
        match (&self.sealed, &key.secret) {
            (Sealed::Rsa(number), Secret::Rsa(secret)) => {
                let sealed = padded(number, secret.key_size_bytes())?;
                let mut bytes = Zeroizing::new(vec![0; secret.min_output_size()]);
                SessionKey::parse(secret.decrypt(&sealed, &mut bytes).ok()?)
            }
            (Sealed::Ecdh(number, wrapped), Secret::Ecdh(public, secret)) => {
                let point = public.curve.point(number)?;
                let peer = UnparsedPublicKey::new(public.curve.agreement(), point);
                let kek = agreement::agree(secret, peer, (), |shared| {
                    Ok(kek_of(shared, public, &key.fingerprint))
                });
                let bytes = key_wrap::unwrap(public.cipher, &kek.ok()?, wrapped).ok()?;
                SessionKey::parse(without_padding(&bytes)?)
            }
            _ => None,
        }
    }
}

/// Encrypts a session key to a public key, and returns the body of the packet.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn wrap(session: &SessionKey, to: &EncryptionKey) -> io::Result<Vec<u8>> {
    let mut body = vec![VERSION];
    body.extend(to.id);
    match &to.kind {
        EncryptionKind::Rsa(key) => {
            body.push(RSA);
            let mut sealed = vec![0; key.ciphertext_size()];
            key.encrypt(&session.encoded(), &mut sealed).map_err(|_| failed())?;
            write_number(&sealed, &mut body);
        }
        EncryptionKind::Ecdh(public) => {
            body.push(ECDH);
            let algorithm = public.curve.agreement();
            let ephemeral = PrivateKey::generate(algorithm).map_err(|_| failed())?;
            let point = ephemeral.compute_public_key().map_err(|_| failed())?;
            match public.curve {
                EcdhCurve::Nist(_) => write_number(point.as_ref(), &mut body),
                EcdhCurve::X25519 => {
                    write_number(&[&[NATIVE], point.as_ref()].concat(), &mut body);
                }
            }
            let peer = UnparsedPublicKey::new(algorithm, &public.point);
            let kek = agreement::agree(&ephemeral, peer, failed(), |shared| {
                Ok(kek_of(shared, public, &to.fingerprint))
            })?;
            let padded = with_padding(session.encoded());
            let wrapped = key_wrap::wrap(public.cipher, &kek, &padded).map_err(|_| failed())?;
            body.push(wrapped.len() as u8);
            body.extend(wrapped);
        }
    }
    Ok(body)
}

/// Derives the wrapping key from the secret that two keys share. RFC 6637, section 7.
fn kek_of(shared: &[u8], public: &Ecdh, fingerprint: &[u8; 20]) -> Zeroizing<Vec<u8>> {
    let mut hash = Context::new(public.hash);
    let parts: [&[u8]; 5] =
        [&1_u32.to_be_bytes(), shared, &public.fields, b"Anonymous Sender    ", fingerprint];
    for part in parts {
        hash.update(part);
    }
    Zeroizing::new(hash.finish().as_ref()[..public.key_len].to_vec())
}

/// Adds padding up to a multiple of 8 bytes. RFC 6637, section 8.
fn with_padding(encoded: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    let count = 8 - encoded.len() % 8;
    Zeroizing::new([&encoded[..], &vec![count as u8; count]].concat())
}

/// Removes the padding, which may be longer than a block.
fn without_padding(padded: &[u8]) -> Option<&[u8]> {
    let count = usize::from(*padded.last()?);
    let (encoded, padding) = padded.split_at(padded.len().checked_sub(count)?);
    (count > 0 && padding.iter().all(|&byte| usize::from(byte) == count)).then_some(encoded)
}

fn failed() -> io::Error {
    io::Error::other("a key cannot be wrapped to an OpenPGP key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_keys_with_wrong_sums_lengths_and_ciphers_are_none() {
        let key = SessionKey::random().unwrap();
        let encoded = key.encoded();
        assert_eq!(SessionKey::parse(&encoded).unwrap().bytes, key.bytes);
        let changed = |at: usize, by: u8| {
            let mut changed = encoded.to_vec();
            changed[at] ^= by;
            SessionKey::parse(&changed).is_some()
        };
        // Triple DES, another length of AES, a bit of the key, a bit of the sum.
        assert!(![(0, 9 ^ 2), (0, 9 ^ 7), (5, 1), (34, 1)].iter().any(|&(at, by)| changed(at, by)));
        assert!(SessionKey::parse(&encoded[..34]).is_none());
        assert!(SessionKey::parse(&[]).is_none());
    }

    #[test]
    fn padding_is_taken_away_only_if_it_is_one() {
        let encoded = Zeroizing::new(vec![9; 35]);
        let filled = with_padding(encoded.clone());
        assert_eq!(filled.len(), 40);
        assert_eq!(without_padding(&filled), Some(&encoded[..]));
        for wrong in [&[][..], &[0], &[2], &[1, 2, 3, 3]] {
            assert_eq!(without_padding(wrong), None, "{wrong:?}");
        }
    }
}
