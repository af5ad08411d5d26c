//! Files of keys, and messages that GnuPG made.

use std::ops::Range;
use std::path::Path;

use sealcrate_openpgp::{Certificate, Message, MessageError, OpenError, SecretKeys, encrypt};

/// Three tags in today's form: a session key, a packet without integrity, and one with integrity.
pub(crate) const SESSION_KEY: u8 = 0xc1;
pub(crate) const WITHOUT_INTEGRITY: u8 = 0xc9;
pub(crate) const ENCRYPTED: u8 = 0xd2;

/// The content of every message that GnuPG made.
pub(crate) fn content() -> Vec<u8> {
    recorded("content")
}

/// A message that GnuPG made.
pub(crate) fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/messages");
    std::fs::read(folder.join(name)).unwrap()
}

/// A key that GnuPG made. The tests of images use the same keys.
pub(crate) fn key_file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crypt/tests/data/ocicrypt/keys");
    std::fs::read(folder.join(name)).unwrap()
}

pub(crate) fn secret(name: &str) -> SecretKeys {
    SecretKeys::parse(&key_file(name), None).unwrap()
}

/// Opens a message. The two kinds of failure that keys have come back as errors, and a message that
/// is refused as it stands is refused.
pub(crate) fn opened(message: &[u8], key: &str) -> Result<Vec<u8>, OpenError> {
    opened_with(message, &secret(key))
}

pub(crate) fn opened_with(message: &[u8], keys: &SecretKeys) -> Result<Vec<u8>, OpenError> {
    Message::parse(message)?.open(keys).map(|content| content.to_vec())
}

pub(crate) fn refused(message: &[u8], key: &str) -> MessageError {
    match opened(message, key).unwrap_err() {
        OpenError::Content(error) => error,
        error => panic!("{error}"),
    }
}

/// A message to a public key.
pub(crate) fn encrypted(to: &str) -> Vec<u8> {
    encrypted_to(&key_file(to))
}

pub(crate) fn encrypted_to(file: &[u8]) -> Vec<u8> {
    encrypt(&content(), &Certificate::parse(file).unwrap()).unwrap()
}

/// The packets of a message by GnuPG that came in one piece: their tags, and where they begin and
/// end.
pub(crate) fn packets(message: &[u8]) -> Vec<(u8, Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < message.len() {
        let first = message[at];
        let (tag, head, len) = match (first & 0x40 != 0, first & 3) {
            (true, _) => match message[at + 1] {
                len @ 0..192 => (first & 0x3f, 2, usize::from(len)),
                high @ 192..224 => {
                    let len = (usize::from(high) - 192) * 256 + usize::from(message[at + 2]) + 192;
                    (first & 0x3f, 3, len)
                }
                other => panic!("{other}"),
            },
            (false, 0) => (first >> 2 & 15, 2, usize::from(message[at + 1])),
            (false, _) => {
                let len = u16::from_be_bytes([message[at + 1], message[at + 2]]);
                (first >> 2 & 15, 3, usize::from(len))
            }
        };
        found.push((tag, at..at + head + len));
        at += head + len;
    }
    found
}
