//! Byte strings in JSON. Go writes them in base64, and reads numbers as well. Rust's readers take
//! numbers alone, and Rust's writers send options as their plain text.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::ocicrypt::secret_buffer::SecretBuffer;

/// Bytes that may be secret, in base64 or as numbers.
pub(super) struct Bytes(pub(super) Zeroizing<Vec<u8>>);

/// Private options: like [`Bytes`], or the JSON text itself.
pub(super) struct OptionsBytes(pub(super) Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let decode = |text: &str| STANDARD.decode(text).ok().map(Zeroizing::new);
        deserializer.deserialize_any(Forms { decode }).map(Self)
    }
}

impl<'de> Deserialize<'de> for OptionsBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let decode = |text: &str| match text.trim_start().starts_with('{') {
            true => Some(Zeroizing::new(text.as_bytes().to_vec())),
            false => STANDARD.decode(text).ok().map(Zeroizing::new),
        };
        deserializer.deserialize_any(Forms { decode }).map(Self)
    }
}

struct Forms<F> {
    decode: F,
}

impl<'de, F: Fn(&str) -> Option<Zeroizing<Vec<u8>>>> Visitor<'de> for Forms<F> {
    type Value = Zeroizing<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in base64 or as numbers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        (self.decode)(text).ok_or_else(|| E::custom("no base64"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Self::Value, A::Error> {
        let mut bytes = SecretBuffer::default();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into_bytes())
    }
}

/// Bytes that are written in base64, as Go does it.
pub(super) struct Base64<'b>(pub(super) &'b [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0)))
    }
}

/// Returns `{"outer":{"inner":bytes}}`, with the bytes as numbers, which every reader takes.
pub(super) fn object(outer: &str, inner: &str, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    SecretBuffer::json(&BTreeMap::from([(outer, BTreeMap::from([(inner, bytes)]))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(json: &str) -> Option<Vec<u8>> {
        serde_json::from_str::<Bytes>(json).ok().map(|bytes| bytes.0.to_vec())
    }

    fn options(json: &str) -> Option<Vec<u8>> {
        serde_json::from_str::<OptionsBytes>(json).ok().map(|bytes| bytes.0.to_vec())
    }

    #[test]
    fn every_form_of_bytes_is_read() {
        let numbers: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&serde_json::to_string(&numbers).unwrap()), Some(numbers));
        assert_eq!(bytes(r#""YWI=""#), Some(b"ab".to_vec()));
        assert_eq!(bytes("[]"), Some(Vec::new()));
        assert_eq!(options(r#""YWI=""#), Some(b"ab".to_vec()));
        assert_eq!(options("[97,98]"), Some(b"ab".to_vec()));
        assert_eq!(options(r#"" {\"a\":1}""#), Some(br#" {"a":1}"#.to_vec()));
        for json in ["[256]", "[-1]", "[\"a\"]", r#""YWI""#, "1", "{}", "null"] {
            assert_eq!((bytes(json), options(json)), (None, None), "{json}");
        }
        assert_eq!(bytes(r#""{\"a\":1}""#), None);
    }

    #[test]
    fn answers_are_numbers() {
        assert_eq!(&**object("a", "b", &[1, 255]), br#"{"a":{"b":[1,255]}}"#);
    }
}
