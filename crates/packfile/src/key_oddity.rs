//! Oddities of texts that open nothing. Files of variables, secrets of clusters, and editors change
//! keys on their way.
//!
//! An oddity names a form alone. Nothing of the text itself gets into a message.

use core::fmt;

use crate::key_text::{IDENTITY, first_line, trimmed};

/// The beginnings of a file of identities in base64: an identity, or a comment that age or sealcrate
/// writes before one.
const ENCODED: [&[u8]; 3] = [b"QUdFLVNFQ1JFVC1LRVkt", b"IyBjcmVhdGVkOi", b"IyBwdWJsaWMga2V5"];

/// The beginning of a recipient.
const RECIPIENT: &[u8] = b"age1";

/// The marks that begin a text in UTF-16.
const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// An oddity of a text that was given as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyOddity {
    /// The key is in base64.
    Base64,
    /// There are blanks before or behind the key.
    Blanks,
    /// An identity is in lower case.
    LowerCase,
    /// Something else stands before an identity on its line.
    Preceded,
    /// There are quotes around the key.
    Quotes,
    /// The key is the public side of an identity.
    Recipient,
    /// The key is text in UTF-16.
    Utf16,
}

impl KeyOddity {
    /// Returns the oddity that keeps a text from being an identity, if the user may mean it as one.
    #[inline(never)]
    pub fn of_identity(text: &[u8]) -> Option<Self> {
        if UTF_16.iter().any(|mark| text.starts_with(mark)) {
            return Some(Self::Utf16);
        }
        let line = first_line(text)?;
        match line {
            _ if line.starts_with(IDENTITY) => None,
            _ if begins_as_identity(line) => Some(Self::LowerCase),
            [b'"' | b'\'' | b'`', rest @ ..] if begins_as_identity(rest) => Some(Self::Quotes),
            _ if line.starts_with(RECIPIENT) => Some(Self::Recipient),
            _ if ENCODED.iter().any(|beginning| line.starts_with(beginning)) => Some(Self::Base64),
            _ if line.windows(IDENTITY.len()).any(begins_as_identity) => Some(Self::Preceded),
            _ => None,
        }
    }

    /// Returns the oddity of a wrong passphrase, if it has one.
    #[inline(never)]
    pub fn of_passphrase(text: &[u8]) -> Option<Self> {
        if UTF_16.iter().any(|mark| text.starts_with(mark)) {
            return Some(Self::Utf16);
        }
        match text {
            [b'"', .., b'"'] | [b'\'', .., b'\''] => Some(Self::Quotes),
            _ if trimmed(text).len() < text.len() => Some(Self::Blanks),
            _ => None,
        }
    }
}

impl fmt::Display for KeyOddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base64 => "this one is in base64",
            Self::Blanks => "this one has blanks around it",
            Self::LowerCase => "this one is in lower case",
            Self::Preceded => "this one has other text before it",
            Self::Quotes => "this one is in quotes",
            Self::Recipient => "this one is a recipient",
            Self::Utf16 => "this one is in UTF-16",
        })
    }
}

#[inline(never)]
fn begins_as_identity(text: &[u8]) -> bool {
    text.get(..IDENTITY.len()).is_some_and(|head| head.eq_ignore_ascii_case(IDENTITY))
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;

    use base64ct::{Base64, Encoding as _};

    use super::*;

    const ONE: &str = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

    #[test]
    fn identities_in_another_form_are_named() {
        let encoded = |text: &str| Base64::encode_string(text.as_bytes());
        for (text, oddity) in [
            (format!("\"{ONE}\""), KeyOddity::Quotes),
            (format!(" '{ONE}'\n"), KeyOddity::Quotes),
            (ONE.to_lowercase(), KeyOddity::LowerCase),
            (format!("KEY={ONE}"), KeyOddity::Preceded),
            (format!("\u{feff}{ONE}"), KeyOddity::Preceded),
            (encoded(ONE), KeyOddity::Base64),
            (encoded(&format!("# created: 2026-01-01\n{ONE}\n")), KeyOddity::Base64),
            (encoded(&format!("# public key: age1\n{ONE}\n")), KeyOddity::Base64),
            (String::from("age1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn"), KeyOddity::Recipient),
        ] {
            assert_eq!(KeyOddity::of_identity(text.as_bytes()), Some(oddity), "{text}");
        }
        let wide: std::vec::Vec<u8> =
            [0xfeff].into_iter().chain(ONE.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(KeyOddity::of_identity(&wide), Some(KeyOddity::Utf16));
        let mistyped = format!("# created: today\n{}", &ONE[..40]);
        for text in
            [&mistyped, "", "secret", "\"secret\"", " secret", "AGE-SECRET-KEY", "aged cheese"]
        {
            assert_eq!(KeyOddity::of_identity(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn passphrases_with_something_around_them_are_named() {
        for (text, oddity) in [
            ("\"a secret\"", KeyOddity::Quotes),
            ("'a secret'", KeyOddity::Quotes),
            (" a secret", KeyOddity::Blanks),
            ("a secret\n", KeyOddity::Blanks),
        ] {
            assert_eq!(KeyOddity::of_passphrase(text.as_bytes()), Some(oddity), "{text}");
        }
        assert_eq!(KeyOddity::of_passphrase(b"\xff\xfea\0"), Some(KeyOddity::Utf16));
        for text in ["", "\"", "a secret", "\"a\" secret", "it's"] {
            assert_eq!(KeyOddity::of_passphrase(text.as_bytes()), None, "{text}");
        }
    }
}
