//! Messages of PKCS#7.

use sealcrate_crypt::ocicrypt::Pkcs7;

/// Parses bytes, and checks that an accepted message has recipients, 64 at most.
pub(crate) fn run(data: &[u8]) {
    if let Ok(message) = Pkcs7::parse(data) {
        assert!((1..=64).contains(&message.recipients()));
        assert!(data.len() <= 64 << 10);
    }
}
