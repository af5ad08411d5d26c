//! Messages and key files of OpenPGP.

use sealcrate_crypt::ocicrypt::{FormerRecipient, Identity, OpenPgp, Recipient};

/// Parses bytes as a message, and checks that what is taken is for somebody.
pub(crate) fn message(data: &[u8]) {
    if let Ok(message) = OpenPgp::parse(data) {
        assert!((1..=64).contains(&message.recipients()));
        assert!(data.len() <= 64 << 10);
    }
}

/// Reads bytes as a key file, and checks that nobody is encrypted to who could not be removed again, and that
/// what is taken for a public key is not taken for a private one.
pub(crate) fn key(data: &[u8]) {
    let recipient = Recipient::openpgp(data);
    if recipient.is_ok() {
        assert!(FormerRecipient::openpgp(data).is_ok());
        assert!(Identity::parse(data).is_err());
        assert!(data.len() <= 64 << 10);
    }
    if Identity::parse(data).is_ok() {
        assert!(recipient.is_err());
    }
}
