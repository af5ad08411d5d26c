//! Messages of PKCS#7.

use sealcrate_crypt::ocicrypt::Pkcs7;

/// Parses bytes, and checks that what is taken is for somebody.
pub(crate) fn run(data: &[u8]) {
    if let Ok(message) = Pkcs7::parse(data) {
        assert!((1..=64).contains(&message.recipients()));
        assert!(data.len() <= 64 << 10);
    }
}
