//! Readers, who can open a pushed image. They are compared, so that another push under the same
//! data key lets no further person read.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, pbkdf2};
use serde::{Deserialize, Serialize};

use crate::Passphrase;
use crate::crypto_cli::DEFAULT_ITERATIONS;

/// The bytes that distinguish one reader from another. For a public key they are its hash, for a
/// passphrase a key derived from it with the salt of one [`Record`](super::Record).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reader([u8; 32]);

impl Reader {
    /// Returns the reader with this passphrase, which is slow by design.
    pub fn passphrase(passphrase: &Passphrase, salt: &[u8; 16]) -> Self {
        let mut reader = [0; 32];
        let rounds = NonZeroU32::new(DEFAULT_ITERATIONS).expect("it is not zero");
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, rounds, salt, passphrase.as_bytes(), &mut reader);
        Self(reader)
    }

    /// Returns the reader with the private half of the key `id`, a name among the keys of its
    /// `kind`.
    pub(crate) fn key(kind: &str, id: &[u8]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(kind.as_bytes());
        hash.update(b"\n");
        hash.update(id);
        let mut reader = [0; 32];
        reader.copy_from_slice(hash.finish().as_ref());
        Self(reader)
    }
}

/// The readers of an image, by the format of its encryption.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readers {
    /// The reader with the passphrase, in crypto-cli's format.
    CryptoCli(Reader),
    /// Every recipient, in OCI image encryption.
    Oci(BTreeSet<Reader>),
}

impl Readers {
    /// Returns the number of readers.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::CryptoCli(_) => 1,
            Self::Oci(readers) => readers.len(),
        }
    }

    /// Adds earlier readers of the same data key.
    pub(super) fn add(&mut self, earlier: Self) {
        if let (Self::Oci(now), Self::Oci(then)) = (self, earlier) {
            now.extend(then);
        }
    }

    /// Tells whether every one of the `earlier` readers is among these. Then nobody who was removed
    /// goes on reading.
    pub(super) fn include(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::CryptoCli(now), Self::CryptoCli(then)) => now == then,
            (Self::Oci(now), Self::Oci(then)) => now.is_superset(then),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn oci(names: &[&str]) -> Readers {
        Readers::Oci(names.iter().map(|name| Reader::key("age", name.as_bytes())).collect())
    }

    #[test]
    fn nobody_may_be_missing_among_the_new_readers() {
        assert!(oci(&["a", "b"]).include(&oci(&["a"])));
        assert!(oci(&["a", "b"]).include(&oci(&["b", "a"])));
        assert!(!oci(&["a"]).include(&oci(&["a", "b"])));
        assert!(!oci(&["a"]).include(&oci(&["c"])));
    }

    #[test]
    fn formats_and_kinds_of_keys_are_told_apart() {
        let one = Reader::key("age", b"a");
        assert!(one != Reader::key("jwe", b"a"));
        let alone = Readers::Oci([one.clone()].into());
        assert!(!Readers::CryptoCli(one.clone()).include(&alone));
        assert!(!alone.include(&Readers::CryptoCli(one)));
    }

    #[test]
    fn passphrases_are_told_apart_under_one_salt() {
        let reader = |text: &str, salt| {
            let passphrase = Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap();
            Reader::passphrase(&passphrase, &[salt; 16])
        };
        assert!(reader("abc", 1) == reader("abc", 1));
        assert!(reader("abc", 1) != reader("abd", 1));
        assert!(reader("abc", 1) != reader("abc", 2));
    }
}
