//! Messages and key files of OpenPGP.

use sealcrate_openpgp::{Certificate, KeyIds, Message, SecretKeys, encrypt, is_secret};

/// Parses bytes as a message, and checks that an accepted message has recipients, 64 at most.
pub(crate) fn message(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        assert!((1..=64).contains(&message.recipients()));
        assert!(data.len() <= 64 << 10);
    }
}

/// Reads bytes as a key file. Checks that a certificate is no secret key, and that its IDs contain
/// the ID of its key. A message to the certificate has to be for these IDs alone.
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
