//! JWEs, in every form.

use sealcrate_crypt::ocicrypt::Jwe;

/// Parses bytes, and checks that an accepted JWE has a recipient.
pub(crate) fn run(data: &[u8]) {
    if let Ok(jwe) = Jwe::parse(data) {
        assert!(jwe.recipients() > 0);
        assert!(data.len() <= 64 << 10);
    }
}
