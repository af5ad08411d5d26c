//! Readers, who can open a pushed image. They are compared, so that another push under the same
//! data key lets no further person read.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use aws_lc_rs::{digest, pbkdf2};
use serde::{Deserialize, Serialize};

use crate::Passphrase;
use crate::crypto_cli::DEFAULT_ITERATIONS;

/// The bytes that distinguish one reader from another. For a public key they are its hash, for a
/// passphrase a key derived from it with the salt of one [`Record`](super::Record).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// The readers of an image, who hold keys of one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ReadersMembers", into = "ReadersMembers")]
pub struct Readers {
    format: String,
    readers: BTreeSet<Reader>,
}

impl Readers {
    /// Takes the readers of an image in a format.
    pub fn new(format: &str, readers: BTreeSet<Reader>) -> Self {
        Self { format: format.to_owned(), readers }
    }

    /// Returns the number of readers.
    pub(super) fn count(&self) -> usize {
        self.readers.len()
    }

    /// Adds earlier readers of the same data key.
    pub(super) fn add(&mut self, earlier: Self) {
        if self.format == earlier.format {
            self.readers.extend(earlier.readers);
        }
    }

    /// Tells whether every one of the `earlier` readers is among these. Then nobody who was removed
    /// goes on reading.
    pub(super) fn include(&self, earlier: &Self) -> bool {
        self.format == earlier.format && self.readers.is_superset(&earlier.readers)
    }
}

/// Readers as JSON: an object of one member, which the format names.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct ReadersMembers(BTreeMap<String, OneOrMore>);

/// The readers of one format. Earlier versions wrote a single reader for crypto-cli's.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    More(BTreeSet<Reader>),
    One(Reader),
}

impl From<Readers> for ReadersMembers {
    fn from(Readers { format, readers }: Readers) -> Self {
        Self([(format, OneOrMore::More(readers))].into())
    }
}

impl TryFrom<ReadersMembers> for Readers {
    type Error = &'static str;

    fn try_from(ReadersMembers(members): ReadersMembers) -> Result<Self, Self::Error> {
        let mut members = members.into_iter();
        match (members.next(), members.next()) {
            (Some((format, OneOrMore::More(readers))), None) => Ok(Self { format, readers }),
            (Some((format, OneOrMore::One(reader))), None) => {
                Ok(Self { format, readers: [reader].into() })
            }
            _ => Err("readers are of one format"),
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn oci(names: &[&str]) -> Readers {
        Readers::new("oci", names.iter().map(|name| Reader::key("age", name.as_bytes())).collect())
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
        let alone = Readers::new("oci", [one.clone()].into());
        let of_another_format = Readers::new("crypto-cli", [one].into());
        assert!(!of_another_format.include(&alone));
        assert!(!alone.include(&of_another_format));
    }

    #[test]
    fn single_readers_of_earlier_records_are_read() {
        let one = Reader::key("age", b"a");
        let earlier = serde_json::json!({ "crypto-cli": one });
        let read: Readers = serde_json::from_value(earlier).unwrap();
        assert_eq!(read, Readers::new("crypto-cli", [one].into()));
        let written = serde_json::to_value(oci(&["a", "b"])).unwrap();
        assert_eq!(serde_json::from_value::<Readers>(written).unwrap(), oci(&["a", "b"]));
        assert!(serde_json::from_str::<Readers>("{}").is_err());
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
