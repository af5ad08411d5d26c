//! AES key wrap. RFC 3394.
//!
//! The library has it with 128 and 256 bits. GnuPG's keys on P-384 ask for 192, so this module has
//! the rounds, and uses the library's blocks.

use aws_lc_rs::cipher::{
    Algorithm, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

/// The length of half a block: wrapped bytes come in such halves.
const HALF: usize = 8;

/// The bytes before the wrapped ones, which must come out again. Section 2.2.3.1.
const BEGINS: [u8; HALF] = [0xa6; HALF];

const ROUNDS: usize = 6;

/// Wraps `bytes`, which are at least two halves of blocks. Section 2.2.1.
pub(super) fn wrap(
    cipher: &'static Algorithm,
    key: &[u8],
    bytes: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    if bytes.len() < 2 * HALF || !bytes.len().is_multiple_of(HALF) {
        return Err(Unspecified);
    }
    let key = EncryptingKey::ecb(UnboundCipherKey::new(cipher, key)?)?;
    let mut wrapped = [&BEGINS, bytes].concat();
    let mut block = Zeroizing::new([0; 2 * HALF]);
    for step in 0..ROUNDS * (bytes.len() / HALF) {
        let at = HALF + step * HALF % bytes.len();
        block[..HALF].copy_from_slice(&wrapped[..HALF]);
        block[HALF..].copy_from_slice(&wrapped[at..at + HALF]);
        key.encrypt(&mut *block)?;
        count(&mut block, step);
        wrapped[..HALF].copy_from_slice(&block[..HALF]);
        wrapped[at..at + HALF].copy_from_slice(&block[HALF..]);
    }
    Ok(wrapped)
}

/// Unwraps bytes that [`wrap`] made. Section 2.2.2.
pub(super) fn unwrap(
    cipher: &'static Algorithm,
    key: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let len = wrapped.len().checked_sub(HALF).ok_or(Unspecified)?;
    if len < 2 * HALF || !len.is_multiple_of(HALF) {
        return Err(Unspecified);
    }
    let key = DecryptingKey::ecb(UnboundCipherKey::new(cipher, key)?)?;
    let mut bytes = Zeroizing::new(wrapped.to_vec());
    let mut block = Zeroizing::new([0; 2 * HALF]);
    for step in (0..ROUNDS * (len / HALF)).rev() {
        let at = HALF + step * HALF % len;
        block[..HALF].copy_from_slice(&bytes[..HALF]);
        block[HALF..].copy_from_slice(&bytes[at..at + HALF]);
        count(&mut block, step);
        key.decrypt(&mut *block, DecryptionContext::None)?;
        bytes[..HALF].copy_from_slice(&block[..HALF]);
        bytes[at..at + HALF].copy_from_slice(&block[HALF..]);
    }
    verify_slices_are_equal(&bytes[..HALF], &BEGINS)?;
    Ok(Zeroizing::new(bytes[HALF..].to_vec()))
}

/// Adds the number of a step, from 1, to the first half of a block.
fn count(block: &mut [u8; 2 * HALF], step: usize) {
    for (byte, part) in block[..HALF].iter_mut().zip((step as u64 + 1).to_be_bytes()) {
        *byte ^= part;
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::{AES_128, AES_192, AES_256};

    use super::*;

    /// The vectors of sections 4.1, 4.2, 4.3 and 4.6.
    #[test]
    fn what_the_rfc_wraps_is_wrapped_and_unwrapped() {
        let key: Vec<u8> = (0..32).collect();
        let data: Vec<u8> = (0..16).map(|i| i * 0x11).chain(0..16).collect();
        for (cipher, key_len, data_len, begins) in [
            (&AES_128, 16, 16, 0x1fa6_8b0a_8112_b447_u64),
            (&AES_192, 24, 16, 0x9677_8b25_ae6c_a435),
            (&AES_256, 32, 16, 0x64e8_c3f9_ce0f_5ba2),
            (&AES_256, 32, 32, 0x28c9_f404_c4b8_10f4),
        ] {
            let (key, data) = (&key[..key_len], &data[..data_len]);
            let wrapped = wrap(cipher, key, data).unwrap();
            assert_eq!(wrapped[..8], begins.to_be_bytes());
            assert_eq!(**unwrap(cipher, key, &wrapped).unwrap(), *data);
            for at in 0..wrapped.len() {
                let mut changed = wrapped.clone();
                changed[at] ^= 1;
                assert!(unwrap(cipher, key, &changed).is_err(), "{at}");
                assert!(unwrap(cipher, key, &wrapped[..at]).is_err(), "{at}");
            }
        }
        assert!(wrap(&AES_128, &key[..16], &data[..8]).is_err());
        assert!(wrap(&AES_128, &key[..16], &data[..17]).is_err());
    }
}
