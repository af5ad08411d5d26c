//! The numbers by which OpenPGP names algorithms, and the library's algorithms for them. RFC 4880,
//! section 9; RFC 6637, section 13.

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, Algorithm};
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};

pub(crate) const RSA: u8 = 1;
pub(crate) const RSA_ENCRYPT_ONLY: u8 = 2;
pub(crate) const RSA_SIGN_ONLY: u8 = 3;
pub(crate) const ECDH: u8 = 18;
pub(crate) const ECDSA: u8 = 19;
pub(crate) const EDDSA: u8 = 22;

/// AES with 256 bits.
pub(crate) const AES_256_NUMBER: u8 = 9;

/// Returns the AES with the cipher number `number`, and the length of its key in bytes.
pub(crate) fn cipher_of(number: u8) -> Option<(&'static Algorithm, usize)> {
    match number {
        7 => Some((&AES_128, 16)),
        8 => Some((&AES_192, 24)),
        AES_256_NUMBER => Some((&AES_256, 32)),
        _ => None,
    }
}

/// Finds a hash of the SHA-2 family. RFC 4880, section 9.4.
pub(crate) fn hash_of(number: u8) -> Option<&'static digest::Algorithm> {
    match number {
        8 => Some(&SHA256),
        9 => Some(&SHA384),
        10 => Some(&SHA512),
        _ => None,
    }
}
