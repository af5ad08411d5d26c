//! Key files: packets, binary or in armor.

use crate::armor;
use crate::packet::{Body, PUBLIC_KEY, Packets, SECRET_KEY};

/// The longest key file, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 64 << 10;

/// Tells whether a file begins as OpenPGP's public keys do.
pub fn is_public(file: &[u8]) -> bool {
    begins_with(file, PUBLIC_KEY)
}

/// Tells whether a file begins as OpenPGP's secret keys do.
pub fn is_secret(file: &[u8]) -> bool {
    begins_with(file, SECRET_KEY)
}

/// Tells whether the first packet of a file has a tag.
fn begins_with(file: &[u8], tag: u8) -> bool {
    let is_first = |bytes: &[u8]| Packets::new(bytes).next().is_some_and(|first| first.tag == tag);
    bytes_of(file).is_some_and(|bytes| is_first(&bytes))
}

/// Returns the packets of a file, binary or in armor.
pub(super) fn bytes_of(file: &[u8]) -> Option<Body<'_>> {
    match armor::is_armor(file) {
        true => armor::decode(file).map(Body::Joined),
        false => Some(Body::Whole(file)),
    }
}
