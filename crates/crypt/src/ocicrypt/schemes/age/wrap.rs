//! Writes items.

use std::io::{self, Write as _};

use age::secrecy::{ExposeSecret as _, SecretString};
use age::{scrypt, x25519};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Members, VERSION};
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
        let mut to = scrypt::Recipient::new(SecretString::from(text));
        to.set_work_factor(WORK_FACTOR);
        let identity = x25519::Identity::generate();
        let secret = Zeroizing::new(format!("{}\n", identity.to_string().expose_secret()));
        Ok(Self { recipient: identity.to_public(), lock: encrypted(&to, secret.as_bytes())? })
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
/// The library fails, which it never does in memory.
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
/// The library fails, which it never does in memory.
pub(crate) fn wrap_to_all(
    content: &[u8],
    recipients: &[&x25519::Recipient],
) -> io::Result<Vec<u8>> {
    let all = recipients.iter().map(|&recipient| recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(all).map_err(io::Error::other)?;
    let mut wrap = Vec::new();
    let mut writer = encryptor.wrap_output(&mut wrap)?;
    writer.write_all(content)?;
    writer.finish()?;
    Ok(serde_json::to_vec(&Members { wrap: STANDARD.encode(wrap), ..empty() })?)
}

fn empty() -> Members {
    Members { v: VERSION, wrap: String::new(), lock: None, hint: None }
}

/// Encrypts `content`, and returns the item with it and the other members.
fn item(content: &[u8], recipient: &x25519::Recipient, members: Members) -> io::Result<Vec<u8>> {
    let wrap = STANDARD.encode(encrypted(recipient, content)?);
    Ok(serde_json::to_vec(&Members { wrap, ..members })?)
}

fn encrypted(to: &impl age::Recipient, content: &[u8]) -> io::Result<Vec<u8>> {
    age::encrypt(to, content).map_err(io::Error::other)
}
