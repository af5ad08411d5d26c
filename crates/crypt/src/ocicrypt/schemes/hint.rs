//! Hints, which tell the recipient of a wrapped key to readers, and to nobody else.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How many bytes of the HMAC are kept.
const LEN: usize = 16;

/// Returns the hint, under the layer's key, at the recipient with the public name `id`.
pub(crate) fn of(key: &[u8; 32], id: &[u8]) -> String {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    mac.update(b"sealcrate recipient\n");
    mac.update(id);
    STANDARD.encode(&mac.sign().as_ref()[..LEN])
}
