//! Messages and key files of OpenPGP.

use sealcrate_openpgp::{Certificate, KeyIds, Message, SecretKeys, encrypt, is_secret};

/// Parses bytes as a message, and checks that a message is for somebody.
pub(crate) fn message(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        assert!((1..=64).contains(&message.recipients()));
        assert!(data.len() <= 64 << 10);
    }
}

/// Reads bytes as a key file, and checks that a certificate is no secret key, that its key is one of
/// those by which it is found again, and that a message to it is read.
pub(crate) fn key(data: &[u8]) {
    let secret = SecretKeys::parse(data, None);
    if let Ok(certificate) = Certificate::parse(data) {
        let ids = KeyIds::parse(data).expect("a certificate has IDs");
        assert!(ids.contain(&certificate.id()));
        assert!(secret.is_err() && !is_secret(data));
        assert!(data.len() <= 64 << 10);
        let message = encrypt(b"key", &certificate).expect("there are random bytes");
        assert!(Message::parse(&message).expect("it was written").is_only_for(&ids));
    }
    if let Ok(keys) = secret {
        assert!((1..=16).contains(&keys.count()));
    }
}
