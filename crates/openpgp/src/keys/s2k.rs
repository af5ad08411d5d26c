//! OpenPGP's string-to-key, which derives a key from a password. RFC 4880, section 3.7.
//!
//! The count is coded in one byte, so a key costs at most 62 MiB of hashing.

use aws_lc_rs::digest::{self, Context, SHA1_FOR_LEGACY_USE_ONLY};
use zeroize::Zeroizing;

use crate::algorithms::hash_of;
use crate::packet::Fields;

/// The way to derive a key from a password.
pub(super) struct StringToKey {
    hash: &'static digest::Algorithm,
    salt: [u8; 8],
    /// The number of bytes to hash, which is at least the length of salt and password.
    count: usize,
}

impl StringToKey {
    /// Reads the specifier of a salted way, iterated or not.
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let kind = fields.u8()?;
        let hash = match fields.u8()? {
            2 => &SHA1_FOR_LEGACY_USE_ONLY,
            number => hash_of(number)?,
        };
        let salt = fields.array()?;
        let count = match kind {
            1 => 0,
            3 => {
                let coded = fields.u8()?;
                (16 + usize::from(coded & 15)) << ((coded >> 4) + 6)
            }
            _ => return None,
        };
        Some(Self { hash, salt, count })
    }

    /// Derives a key of `len` bytes.
    pub(super) fn key(&self, password: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
        let unit = Zeroizing::new([&self.salt[..], password].concat());
        // Many copies at a time, since hashing a few bytes takes as long as hashing a block.
        let units = Zeroizing::new(unit.repeat(1 + 4096 / unit.len()));
        let mut key = Zeroizing::new(Vec::with_capacity(len + self.hash.output_len()));
        for zeros in 0.. {
            if key.len() >= len {
                break;
            }
            let mut hash = Context::new(self.hash);
            hash.update(&vec![0; zeros]);
            let mut left = self.count.max(unit.len());
            while left > 0 {
                let step = left.min(units.len());
                hash.update(&units[..step]);
                left -= step;
            }
            key.extend_from_slice(hash.finish().as_ref());
        }
        key.truncate(len);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_decoded_as_the_rfc_says() {
        let count = |coded| {
            let bytes = [3, 8, 0, 0, 0, 0, 0, 0, 0, 0, coded];
            StringToKey::parse(&mut Fields::new(&bytes)).unwrap().count
        };
        assert_eq!([count(0), count(0x60), count(0xff)], [1024, 65_536, 65_011_712]);
    }

    #[test]
    fn keys_longer_than_a_hash_go_on_with_another_one() {
        let bytes = [1, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        let s2k = StringToKey::parse(&mut Fields::new(&bytes)).unwrap();
        let sha1 = |bytes: &[u8]| digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
        let salted = [&bytes[2..], b"password"].concat();
        let other = [&[0][..], &salted].concat();
        let expected = [sha1(&salted).as_ref(), sha1(&other).as_ref()].concat();
        assert_eq!(**s2k.key(b"password", 32), expected[..32]);
        for unknown in
            [&[0, 8][..], &[2, 8], &[101, 0], &[3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[3, 8]]
        {
            assert!(StringToKey::parse(&mut Fields::new(unknown)).is_none(), "{unknown:?}");
        }
    }
}
