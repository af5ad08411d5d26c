//! Session keys: the keys of AES under which messages are encrypted. RFC 4880, section 5.1.

use std::io;

use aws_lc_rs::cipher::{AES_256, Algorithm};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::algorithms::{AES_256_NUMBER, cipher_of};

/// The key of a message.
pub(crate) struct SessionKey {
    pub(crate) cipher: &'static Algorithm,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

impl SessionKey {
    /// Makes a session key for AES-256.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        Ok(Self { cipher: &AES_256, bytes })
    }

    /// Reads the number of the cipher, the key, and the sum of the key's bytes.
    pub(crate) fn parse(encoded: &[u8]) -> Option<Self> {
        let (&number, rest) = encoded.split_first()?;
        let (bytes, sum) = rest.split_last_chunk::<2>()?;
        let (cipher, len) = cipher_of(number)?;
        let is_right = bytes.len() == len && sum_of(bytes) == u16::from_be_bytes(*sum);
        is_right.then(|| Self { cipher, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// Writes a key for AES-256 in the form that [`parse`](Self::parse) reads.
    pub(crate) fn encoded(&self) -> Zeroizing<Vec<u8>> {
        let sum = sum_of(&self.bytes).to_be_bytes();
        Zeroizing::new([&[AES_256_NUMBER], &self.bytes[..], &sum].concat())
    }
}

fn sum_of(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, &byte| sum.wrapping_add(u16::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_keys_with_wrong_sums_lengths_and_ciphers_are_none() {
        let key = SessionKey::random().unwrap();
        let encoded = key.encoded();
        assert_eq!(SessionKey::parse(&encoded).unwrap().bytes, key.bytes);
        let changed = |at: usize, by: u8| {
            let mut changed = encoded.to_vec();
            changed[at] ^= by;
            SessionKey::parse(&changed).is_some()
        };
        // Triple DES, another length of AES, a bit of the key, a bit of the sum.
        assert!(![(0, 9 ^ 2), (0, 9 ^ 7), (5, 1), (34, 1)].iter().any(|&(at, by)| changed(at, by)));
        assert!(SessionKey::parse(&encoded[..34]).is_none());
        assert!(SessionKey::parse(&[]).is_none());
    }
}
