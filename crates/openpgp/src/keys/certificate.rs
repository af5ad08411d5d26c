//! Certificates, which are OpenPGP's public keys: a primary key and its subkeys. RFC 4880, section
//! 11.1.
//!
//! The choice of the key to encrypt to follows GnuPG. It is the newest subkey that may encrypt and
//! is neither revoked nor expired. Without such a subkey it is the primary key, under the same
//! conditions. The primary key must sign every statement about a key, so that nobody can put a
//! foreign subkey into a file on its way. Signatures of others are not looked at, nor are
//! signatures that revoke a user ID.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use super::file::{MAX_FILE_BYTES, bytes_of};
use super::material::{Ecdh, KeyId, Material, PublicKey, key_id};
use super::signature::{
    CERTIFICATIONS, DIRECT, KEY_REVOCATION, SUBKEY_BINDING, SUBKEY_REVOCATION, Signature, holds,
};
use crate::packet::{
    PUBLIC_KEY, PUBLIC_SUBKEY, Packets, SECRET_KEY, SECRET_SUBKEY, SIGNATURE, USER_ATTRIBUTE,
    USER_ID,
};

/// A certificate, with its key to encrypt to.
pub struct Certificate {
    pub(crate) key: EncryptionKey,
}

/// A public key to which session keys are encrypted.
pub(crate) struct EncryptionKey {
    pub(crate) fingerprint: [u8; 20],
    pub(crate) id: KeyId,
    pub(crate) kind: EncryptionKind,
}

pub(crate) enum EncryptionKind {
    Ecdh(Ecdh),
    Rsa(Pkcs1PublicEncryptingKey),
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.key.id).finish()
    }
}

/// A key of a certificate, with the statements that its signatures make.
struct Component {
    key: PublicKey,
    /// The newest statement about the key's use and validity.
    said: Option<Said>,
    is_revoked: bool,
}

/// The statement that a signature makes about a key.
struct Said {
    created: u32,
    encrypts: bool,
    expires: Option<u32>,
}

/// The subject of the signatures that follow.
enum Subject {
    Primary,
    Subkey,
    /// The bytes of a user ID or attribute that are hashed.
    User(Vec<u8>),
    /// A part whose signatures are passed over.
    Unknown,
}

impl Certificate {
    /// Reads a certificate, binary or in armor, and chooses the key to encrypt to today.
    ///
    /// # Errors
    /// The file is no certificate or holds several; no key in it is of a known kind and may
    /// encrypt.
    pub fn parse(file: &[u8]) -> Result<Self, CertificateError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self::at(file, now)
    }

    /// Returns the ID of the key to encrypt to.
    pub fn id(&self) -> KeyId {
        self.key.id
    }

    /// Returns the ID of the key to encrypt to, as the only one.
    pub fn ids(&self) -> KeyIds {
        KeyIds(vec![self.key.id])
    }

    fn at(file: &[u8], now: u64) -> Result<Self, CertificateError> {
        let (primary, subkeys) = components(file, now)?;
        if primary.is_revoked {
            return Err(CertificateError::Revoked);
        }
        // Without a valid signature of its own, nothing is known of the primary key.
        let said = primary.said.as_ref().ok_or(CertificateError::NoEncryptionKey)?;
        if !holds(primary.key.created, said.expires, now) {
            return Err(CertificateError::Expired);
        }
        let mut refused = CertificateError::NoEncryptionKey;
        let mut newest: Option<(u32, EncryptionKey)> = None;
        for component in &subkeys {
            match component.usable(now) {
                Ok(key) if newest.as_ref().is_none_or(|(at, _)| component.key.created >= *at) => {
                    newest = Some((component.key.created, key));
                }
                Ok(_) | Err(CertificateError::NoEncryptionKey) => {}
                Err(error) => refused = error,
            }
        }
        match newest {
            Some((_, key)) => Ok(Self { key }),
            None => Ok(Self { key: primary.usable(now).map_err(|_| refused)? }),
        }
    }
}

/// The IDs of all keys in a certificate, to which somebody may have encrypted today or before.
#[derive(Debug)]
pub struct KeyIds(Vec<KeyId>);

impl KeyIds {
    /// Reads the IDs of a certificate's keys, and ignores its signatures.
    ///
    /// # Errors
    /// The file is no certificate, or holds several.
    pub fn parse(file: &[u8]) -> Result<Self, CertificateError> {
        let (primary, subkeys) = components(file, 0)?;
        let all = std::iter::once(&primary).chain(&subkeys);
        Ok(Self(all.map(|component| key_id(&component.key.fingerprint())).collect()))
    }

    /// Returns the IDs.
    pub fn all(&self) -> &[KeyId] {
        &self.0
    }

    /// Tells whether `id` is one of them.
    pub fn contain(&self, id: &KeyId) -> bool {
        self.0.contains(id)
    }
}

impl Component {
    fn new(key: PublicKey) -> Self {
        Self { key, said: None, is_revoked: false }
    }

    /// Takes in the statement of a signature, if it is the newest.
    fn hear(&mut self, signature: &Signature<'_>) {
        if self.said.as_ref().is_none_or(|said| signature.created >= said.created) {
            self.said = Some(Said {
                created: signature.created,
                encrypts: signature.says_encrypt(),
                expires: signature.key_expires,
            });
        }
    }

    /// Returns the key, if it may encrypt today.
    fn usable(&self, now: u64) -> Result<EncryptionKey, CertificateError> {
        let said = self.said.as_ref().filter(|said| said.encrypts);
        let (said, key) =
            said.zip(self.encryption_key()).ok_or(CertificateError::NoEncryptionKey)?;
        match (self.is_revoked, holds(self.key.created, said.expires, now)) {
            (true, _) => Err(CertificateError::Revoked),
            (_, false) => Err(CertificateError::Expired),
            _ => Ok(key),
        }
    }

    fn encryption_key(&self) -> Option<EncryptionKey> {
        let kind = match &self.key.material {
            Material::Rsa { n, e, encrypts: true } => {
                let key: PublicEncryptingKey =
                    PublicKeyComponents { n: &n[..], e: &e[..] }.try_into().ok()?;
                EncryptionKind::Rsa(Pkcs1PublicEncryptingKey::new(key).ok()?)
            }
            Material::Ecdh(ecdh) => EncryptionKind::Ecdh(ecdh.clone()),
            _ => return None,
        };
        let fingerprint = self.key.fingerprint();
        Some(EncryptionKey { fingerprint, id: key_id(&fingerprint), kind })
    }
}

/// Reads the primary key and its subkeys, with the signed statements about them.
fn components(file: &[u8], now: u64) -> Result<(Component, Vec<Component>), CertificateError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(CertificateError::TooLong);
    }
    let opened = bytes_of(file).ok_or(CertificateError::NoKey)?;
    let mut packets = Packets::new(&opened);
    let first = packets.next().ok_or(CertificateError::NoKey)?;
    let primary = match first.tag {
        PUBLIC_KEY => PublicKey::parse(&first.body).map(|(key, _)| key),
        SECRET_KEY | SECRET_SUBKEY => return Err(CertificateError::PrivateKey),
        _ => None,
    };
    let mut primary = Component::new(primary.ok_or(CertificateError::NoKey)?);
    let mut subkeys: Vec<Component> = Vec::new();
    let mut subject = Subject::Primary;
    while !packets.is_empty() {
        let packet = packets.next().ok_or(CertificateError::NoKey)?;
        let body = &packet.body;
        match packet.tag {
            PUBLIC_KEY => return Err(CertificateError::Several),
            SECRET_KEY | SECRET_SUBKEY => return Err(CertificateError::PrivateKey),
            PUBLIC_SUBKEY => {
                subject = match PublicKey::parse(body) {
                    Some((key, _)) => {
                        subkeys.push(Component::new(key));
                        Subject::Subkey
                    }
                    None => Subject::Unknown,
                };
            }
            USER_ID => subject = user(0xb4, body),
            USER_ATTRIBUTE => subject = user(0xd1, body),
            SIGNATURE => {
                if let Some(signature) = Signature::parse(body).filter(|one| one.holds(now)) {
                    let subkey = subkeys.last_mut();
                    hear(&signature, &subject, &mut primary, subkey);
                }
            }
            _ => {}
        }
    }
    Ok((primary, subkeys))
}

/// Takes in the statement of a signature, if the primary key made it.
fn hear(
    signature: &Signature<'_>,
    subject: &Subject,
    primary: &mut Component,
    subkey: Option<&mut Component>,
) {
    let hashed = primary.key.hashed();
    let is_over = |parts: &[&[u8]]| signature.is_by(&primary.key, parts);
    match (subject, signature.kind, subkey) {
        (Subject::Primary, DIRECT, _) if is_over(&[&hashed]) => primary.hear(signature),
        (Subject::Primary, KEY_REVOCATION, _) if is_over(&[&hashed]) => primary.is_revoked = true,
        (Subject::User(user), kind, _)
            if CERTIFICATIONS.contains(&kind) && is_over(&[&hashed, user]) =>
        {
            primary.hear(signature);
        }
        (Subject::Subkey, SUBKEY_BINDING, Some(subkey))
            if is_over(&[&hashed, &subkey.key.hashed()]) =>
        {
            subkey.hear(signature);
        }
        (Subject::Subkey, SUBKEY_REVOCATION, Some(subkey))
            if is_over(&[&hashed, &subkey.key.hashed()]) =>
        {
            subkey.is_revoked = true;
        }
        _ => {}
    }
}

/// Returns the bytes of a user ID or attribute that are hashed. Section 5.2.4.
fn user(begin: u8, body: &[u8]) -> Subject {
    let len = (body.len() as u32).to_be_bytes();
    Subject::User([&[begin], &len[..], body].concat())
}

/// Why a file holds no usable key to encrypt to.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The key is expired: the primary key, or the last one that could encrypt.
    #[error("its OpenPGP key is expired")]
    Expired,
    /// No key in it may encrypt, or none of a known kind.
    #[error(
        "its OpenPGP key has none to encrypt to for RSA (2048 to 8192 bits), Curve25519, P-256, P-384 or \
         P-521 that is bound to it by a signature over SHA-2"
    )]
    NoEncryptionKey,
    /// It is no public OpenPGP key.
    #[error("there is no public OpenPGP key in it")]
    NoKey,
    /// It holds the private key.
    #[error("it holds a private OpenPGP key, not the public one")]
    PrivateKey,
    /// The key was revoked.
    #[error("its OpenPGP key is revoked")]
    Revoked,
    /// It holds several primary keys.
    #[error("it holds more than one OpenPGP key")]
    Several,
    /// The file is too long for a key.
    #[error("it is longer than 64 KiB")]
    TooLong,
}

impl Classified for CertificateError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}
