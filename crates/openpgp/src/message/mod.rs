//! Messages: session keys, each encrypted to a recipient, and the data under them. RFC 4880,
//! section 11.3.
//!
//! If a message names a key, every failure of that key looks the same. PKCS#1 v1.5 tells by its
//! padding whether a session key opened, so a random session key takes the place of one that did
//! not.

use std::io;

use thiserror::Error;

use super::certificate::{Certificate, KeyIds};
use super::packet::{
    ENCRYPTED, ENCRYPTED_BY_OCB, ENCRYPTED_WITHOUT_INTEGRITY, MARKER, PASSWORD_SESSION_KEY,
    PUBLIC_KEY_SESSION_KEY, Packets, write,
};
use super::secret::SecretKey;
use super::session_key::{SessionKey, WrappedSessionKey};
use super::{cipher, content, session_key};
use crate::ocicrypt::wrapped::{Unwrapped, WrappedKeyError};

/// The longest message, in bytes, which is many times what private options need.
const MAX_BYTES: usize = 64 << 10;

/// The most recipients of a message.
const MAX_RECIPIENTS: usize = 64;

/// A message that was parsed.
#[derive(Debug)]
pub struct OpenPgp {
    recipients: Vec<WrappedSessionKey>,
    /// The number of other recipients, whose session keys cannot be read. Passwords count.
    others: usize,
    sealed: Vec<u8>,
}

impl OpenPgp {
    /// Parses a message in its binary form.
    ///
    /// # Errors
    /// The message is too long, malformed or without integrity; no recipient has a key of a known
    /// kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenPgpError> {
        if bytes.len() > MAX_BYTES {
            return Err(OpenPgpError::TooLong);
        }
        let mut packets = Packets::new(bytes);
        let (mut recipients, mut others) = (Vec::new(), 0);
        let encrypted = loop {
            let packet = packets.next().ok_or(OpenPgpError::Malformed("packets"))?;
            match packet.tag {
                PUBLIC_KEY_SESSION_KEY | PASSWORD_SESSION_KEY => {
                    match WrappedSessionKey::parse(&packet.body) {
                        Some(key) if packet.tag == PUBLIC_KEY_SESSION_KEY => recipients.push(key),
                        _ => others += 1,
                    }
                    if recipients.len() + others > MAX_RECIPIENTS {
                        return Err(OpenPgpError::TooManyRecipients);
                    }
                }
                MARKER => {}
                ENCRYPTED => break packet,
                ENCRYPTED_WITHOUT_INTEGRITY => return Err(OpenPgpError::NoIntegrity),
                ENCRYPTED_BY_OCB => return Err(OpenPgpError::Unsupported("cipher: it is OCB")),
                _ => return Err(OpenPgpError::Malformed("packets")),
            }
        };
        if !packets.is_empty() {
            return Err(OpenPgpError::Malformed("packets: something is behind them"));
        }
        let sealed = match encrypted.body.split_first() {
            Some((1, sealed)) => sealed.to_vec(),
            Some(_) => return Err(OpenPgpError::Unsupported("version of encrypted data")),
            None => return Err(OpenPgpError::Malformed("encrypted data")),
        };
        if recipients.is_empty() {
            return Err(OpenPgpError::Unsupported("recipients: none has a key for RSA or ECDH"));
        }
        Ok(Self { recipients, others, sealed })
    }

    /// Returns the number of readable recipients, which is the most that one key of an identity
    /// costs.
    pub fn recipients(&self) -> usize {
        self.recipients.len()
    }

    /// Tells whether the message is for one of the keys with these IDs, and for nobody else.
    pub(in super::super) fn is_only_for(&self, ids: &KeyIds) -> bool {
        matches!(&self.recipients[..], [only] if self.others == 0 && ids.contain(&only.id))
    }

    /// Opens the content with one of `keys`.
    pub(in super::super) fn unwrap(&self, keys: &[SecretKey]) -> Unwrapped {
        let mut unwrapped = Unwrapped::NotMine;
        for recipient in &self.recipients {
            for key in keys.iter().filter(|key| recipient.may_be_for(key)) {
                let Ok(random) = SessionKey::random() else { return Unwrapped::NotMine };
                let session = recipient.open(key).unwrap_or(random);
                match cipher::open(&self.sealed, &session).map(|packets| content::literal(&packets))
                {
                    Some(Ok(content)) => return Unwrapped::Content(content),
                    Some(Err(error)) => {
                        return Unwrapped::Refused(WrappedKeyError::OpenPgp(error));
                    }
                    None if recipient.is_for_anybody() => {}
                    None => unwrapped = Unwrapped::Damaged,
                }
            }
        }
        unwrapped
    }
}

/// Wraps `content` to a key, in the form that skopeo's library reads.
///
/// # Errors
/// The system gives no random bytes.
pub(in super::super) fn wrap(content: &[u8], to: &Certificate) -> io::Result<Vec<u8>> {
    let session = SessionKey::random()?;
    let mut message = Vec::new();
    write(PUBLIC_KEY_SESSION_KEY, &session_key::wrap(&session, &to.key)?, &mut message);
    let sealed = cipher::seal(&content::literal_packet(content), &session)?;
    write(ENCRYPTED, &[&[1], &sealed[..]].concat(), &mut message);
    Ok(message)
}

/// Why a message cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// A part is not of the right shape.
    #[error("a wrapped key (OpenPGP) is malformed: {0}")]
    Malformed(&'static str),
    /// Without integrity, anybody could have changed it.
    #[error(
        "a wrapped key (OpenPGP) is encrypted without integrity, so that anybody can change it"
    )]
    NoIntegrity,
    /// It is too long to hold private options, or its content is.
    #[error("a wrapped key (OpenPGP) is longer than 64 KiB")]
    TooLong,
    /// It is for too many recipients.
    #[error("a wrapped key (OpenPGP) is for more than {MAX_RECIPIENTS} recipients")]
    TooManyRecipients,
    /// The named part has a form that this module does not read.
    #[error("a wrapped key (OpenPGP) is not supported for its {0}")]
    Unsupported(&'static str),
}
