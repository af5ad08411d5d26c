//! Writes items.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_agefile::{self as agefile, passphrase, x25519};
use zeroize::Zeroizing;

use super::members::{Members, VERSION};
use crate::Passphrase;

/// scrypt's work factor: N is 2 to this power, which takes 64 MiB.
const WORK_FACTOR: u8 = 16;

/// A fresh identity for one image, encrypted under a passphrase.
pub(crate) struct PassphraseLock {
    recipient: x25519::Recipient,
    lock: Vec<u8>,
}

impl PassphraseLock {
    /// Makes an identity and encrypts it, which is slow by design.
    ///
    /// # Errors
    /// The passphrase is no text, so other tools could not take it.
    pub(crate) fn new(passphrase: &Passphrase) -> io::Result<Self> {
        let text = str::from_utf8(passphrase.as_bytes())
            .map_err(|_| io::Error::other("the passphrase is not UTF-8"))?;
        let to = passphrase::Recipient::new(text.as_bytes(), WORK_FACTOR);
        let identity = x25519::Identity::generate().map_err(io::Error::other)?;
        let secret = Zeroizing::new(format!("{}\n", *identity.to_text()));
        Ok(Self {
            recipient: identity.recipient(),
            lock: encrypted([&to as _], secret.as_bytes())?,
        })
    }

    /// Wraps `content` to everybody who has the passphrase.
    pub(crate) fn wrap(&self, content: &[u8]) -> io::Result<Vec<u8>> {
        let lock = Some(STANDARD.encode(&self.lock));
        item(content, &self.recipient, Members { lock, ..empty() })
    }
}

/// Wraps `content` to an age recipient, with a hint at the recipient.
///
/// # Errors
/// The system gives no random bytes, or a recipient would give the content away.
pub(crate) fn wrap(
    content: &[u8],
    recipient: &x25519::Recipient,
    hint: String,
) -> io::Result<Vec<u8>> {
    item(content, recipient, Members { hint: Some(hint), ..empty() })
}

/// Wraps `content` to several age recipients in one item, which does not say who they are.
///
/// # Errors
/// The system gives no random bytes, or a recipient would give the content away.
pub(crate) fn wrap_to_all(
    content: &[u8],
    recipients: &[&x25519::Recipient],
) -> io::Result<Vec<u8>> {
    let wrap = encrypted(recipients.iter().map(|&recipient| recipient as _), content)?;
    Ok(serde_json::to_vec(&Members { wrap: STANDARD.encode(wrap), ..empty() })?)
}

fn empty() -> Members {
    Members { v: VERSION, wrap: String::new(), lock: None, hint: None }
}

/// Encrypts `content`, and returns the item with it and the other members.
fn item(content: &[u8], recipient: &x25519::Recipient, members: Members) -> io::Result<Vec<u8>> {
    let wrap = STANDARD.encode(encrypted([recipient as _], content)?);
    Ok(serde_json::to_vec(&Members { wrap, ..members })?)
}

fn encrypted<'r>(
    to: impl IntoIterator<Item = &'r dyn agefile::Recipient>,
    content: &[u8],
) -> io::Result<Vec<u8>> {
    agefile::encrypt(to, content).map_err(io::Error::other)
}
