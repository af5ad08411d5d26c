//! The symmetric half of a message: integrity protected data of version 1. It is AES in CFB, with a
//! SHA-1 inside, the modification detection code. RFC 4880, sections 5.13 and 5.14.
//!
//! The reader checks the code before it uses a byte. It does not look at the two bytes that repeat
//! the end of the random prefix: an error about them would reveal something of the plaintext
//! (section 14).

use std::io;

use aws_lc_rs::cipher::{
    DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::session_key::SessionKey;

/// The length of the prefix: a block, and its last two bytes again.
const PREFIX: usize = 18;
/// The first bytes of the code, which look like the start of a packet.
const CODE_BEGINS: [u8; 2] = [0xd3, 20];
const CODE: usize = CODE_BEGINS.len() + 20;

/// Decrypts the data of a message. Returns `None` if it was encrypted under another key, or is
/// damaged.
pub(crate) fn open(sealed: &[u8], key: &SessionKey) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from([0; 16]));
    decrypt(&mut bytes, key, context)?;
    let end = bytes.len().checked_sub(CODE).filter(|&end| end >= PREFIX)?;
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes[..end + CODE_BEGINS.len()]);
    let expected = [&CODE_BEGINS, hash.as_ref()].concat();
    verify_slices_are_equal(&bytes[end..], &expected).ok()?;
    Some(Zeroizing::new(bytes[PREFIX..end].to_vec()))
}

/// Decrypts AES in CFB in place.
pub(crate) fn decrypt(
    bytes: &mut [u8],
    key: &SessionKey,
    context: DecryptionContext,
) -> Option<()> {
    let key = UnboundCipherKey::new(key.cipher, &key.bytes).ok()?;
    DecryptingKey::cfb128(key).ok()?.decrypt(bytes, context).ok()?;
    Some(())
}

/// Encrypts packets.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn seal(packets: &[u8], key: &SessionKey) -> io::Result<Vec<u8>> {
    let failed = |_| io::Error::other("a key cannot be wrapped to an OpenPGP key");
    let mut block = [0; 16];
    rand::fill(&mut block).map_err(failed)?;
    let mut bytes = Vec::with_capacity(PREFIX + packets.len() + CODE);
    for part in [&block[..], &block[14..], packets, &CODE_BEGINS] {
        bytes.extend_from_slice(part);
    }
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    bytes.extend_from_slice(hash.as_ref());
    let key = UnboundCipherKey::new(key.cipher, &key.bytes).map_err(failed)?;
    let context = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    EncryptingKey::cfb128(key)
        .and_then(|key| key.less_safe_encrypt(&mut bytes, context))
        .map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_and_every_cut_is_noticed() {
        let key = SessionKey::random().unwrap();
        let sealed = seal(b"packets", &key).unwrap();
        assert_eq!(**open(&sealed, &key).unwrap(), *b"packets");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &key).is_none(), "{at}");
            assert!(open(&sealed[..at], &key).is_none(), "{at}");
        }
        assert!(open(&sealed, &SessionKey::random().unwrap()).is_none());
    }
}
