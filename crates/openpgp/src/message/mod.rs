//! Messages: session keys, each encrypted to a recipient, and the data under them. RFC 4880,
//! section 11.3.
//!
//! If a message names a key, every failure of that key looks the same. PKCS#1 v1.5 tells by its
//! padding whether a session key opened, so a random session key takes the place of one that did
//! not.

mod content;
mod encrypted_session_key;
mod error;
mod key_wrap;

use std::io;

use zeroize::Zeroizing;

use self::encrypted_session_key::EncryptedSessionKey;
use crate::cipher;
use crate::keys::{Certificate, KeyIds, SecretKeys};
use crate::packet::{
    ENCRYPTED, ENCRYPTED_BY_OCB, ENCRYPTED_WITHOUT_INTEGRITY, MARKER, PASSWORD_SESSION_KEY,
    PUBLIC_KEY_SESSION_KEY, Packets, write,
};
use crate::session_key::SessionKey;

pub use error::{MessageError, OpenError};

/// The longest message, in bytes, which is many times what a key needs.
const MAX_BYTES: usize = 64 << 10;

/// A message that was parsed.
#[derive(Debug)]
pub struct Message {
    recipients: Vec<EncryptedSessionKey>,
    /// The number of other recipients, whose session keys cannot be read. Passwords count.
    others: usize,
    sealed: Vec<u8>,
}

impl Message {
    /// Parses a message in its binary form.
    ///
    /// # Errors
    /// The message is too long, malformed or without integrity; no recipient has a key of a known
    /// kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MAX_BYTES {
            return Err(MessageError::TooLong);
        }
        let mut packets = Packets::new(bytes);
        let (mut recipients, mut others) = (Vec::new(), 0);
        let encrypted = loop {
            let packet = packets.next().ok_or(MessageError::Malformed("packets"))?;
            match packet.tag {
                PUBLIC_KEY_SESSION_KEY | PASSWORD_SESSION_KEY => {
                    match EncryptedSessionKey::parse(&packet.body) {
                        Some(key) if packet.tag == PUBLIC_KEY_SESSION_KEY => recipients.push(key),
                        _ => others += 1,
                    }
                    if recipients.len() + others > error::MAX_RECIPIENTS {
                        return Err(MessageError::TooManyRecipients);
                    }
                }
                MARKER => {}
                ENCRYPTED => break packet,
                ENCRYPTED_WITHOUT_INTEGRITY => return Err(MessageError::NoIntegrity),
                ENCRYPTED_BY_OCB => return Err(MessageError::Unsupported("cipher: it is OCB")),
                _ => return Err(MessageError::Malformed("packets")),
            }
        };
        if !packets.is_empty() {
            return Err(MessageError::Malformed("packets: something is behind them"));
        }
        let sealed = match encrypted.body.split_first() {
            Some((1, sealed)) => sealed.to_vec(),
            Some(_) => return Err(MessageError::Unsupported("version of encrypted data")),
            None => return Err(MessageError::Malformed("encrypted data")),
        };
        if recipients.is_empty() {
            return Err(MessageError::Unsupported("recipients: none has a key for RSA or ECDH"));
        }
        Ok(Self { recipients, others, sealed })
    }

    /// Returns the number of readable recipients, which is the most that one key of an identity
    /// costs.
    pub fn recipients(&self) -> usize {
        self.recipients.len()
    }

    /// Tells whether the message is for one of the keys with these IDs, and for nobody else.
    pub fn is_only_for(&self, ids: &KeyIds) -> bool {
        matches!(&self.recipients[..], [only] if self.others == 0 && ids.contain(&only.id))
    }

    /// Decrypts the content with one of `keys`.
    ///
    /// # Errors
    /// No key is for this message, or it is damaged, or its content has a form that is not read.
    pub fn open(&self, keys: &SecretKeys) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut failed = OpenError::WrongKey;
        for recipient in &self.recipients {
            for key in keys.all().iter().filter(|key| recipient.may_be_for(key)) {
                let random = SessionKey::random().map_err(|_| OpenError::WrongKey)?;
                let session = recipient.open(key).unwrap_or(random);
                match cipher::open(&self.sealed, &session) {
                    Some(packets) => return content::literal(&packets).map_err(OpenError::Content),
                    None if recipient.is_for_anybody() => {}
                    None => failed = OpenError::Damaged,
                }
            }
        }
        Err(failed)
    }
}

/// Encrypts `content` to a certificate, in the form that skopeo's library reads.
///
/// # Errors
/// The system gives no random bytes.
pub fn encrypt(content: &[u8], to: &Certificate) -> io::Result<Vec<u8>> {
    let session = SessionKey::random()?;
    let mut message = Vec::new();
    let session_key = encrypted_session_key::encrypt(&session, &to.key)?;
    write(PUBLIC_KEY_SESSION_KEY, &session_key, &mut message);
    let sealed = cipher::seal(&content::literal_packet(content), &session)?;
    write(ENCRYPTED, &[&[1], &sealed[..]].concat(), &mut message);
    Ok(message)
}
