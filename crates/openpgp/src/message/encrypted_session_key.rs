//! Session keys that are encrypted to a recipient's key. RFC 4880, section 5.1; RFC 6637, sections 7
//! and 8.

use std::io;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest::Context;
use zeroize::Zeroizing;

use super::key_wrap;
use crate::algorithms::{ECDH, RSA, RSA_ENCRYPT_ONLY};
use crate::curve::{EcdhCurve, NATIVE};
use crate::keys::{Ecdh, EncryptionKey, EncryptionKind, KeyId, SecretKey, SecretMaterial};
use crate::packet::{Fields, padded, write_number};
use crate::session_key::SessionKey;

const VERSION: u8 = 3;

/// A session key in a message.
#[derive(Debug)]
pub(super) struct EncryptedSessionKey {
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

impl EncryptedSessionKey {
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
            (Sealed::Ecdh(..), SecretMaterial::Ecdh(..)) | (Sealed::Rsa(_), SecretMaterial::Rsa(_))
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
            (Sealed::Rsa(number), SecretMaterial::Rsa(secret)) => {
                let sealed = padded(number, secret.key_size_bytes())?;
                let mut bytes = Zeroizing::new(vec![0; secret.min_output_size()]);
                SessionKey::parse(secret.decrypt(&sealed, &mut bytes).ok()?)
            }
            (Sealed::Ecdh(number, wrapped), SecretMaterial::Ecdh(public, secret)) => {
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
pub(super) fn encrypt(session: &SessionKey, to: &EncryptionKey) -> io::Result<Vec<u8>> {
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
