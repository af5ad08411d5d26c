//! Key text, which comes from a variable, a file or a prompt: identities or a passphrase.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use sealcrate_agefile::x25519::Identity;

/// The longest text that is read as a key, in bytes.
pub const MAX_KEY_TEXT: usize = 64 << 10;

/// The beginning of an identity.
pub(crate) const IDENTITY: &[u8] = b"AGE-SECRET-KEY-1";

/// A key as it was given.
#[derive(Clone, Copy)]
pub enum KeyText<'a> {
    /// Identities, one a line, among blank lines and comments. There may be blanks around an
    /// identity. All of them can be parsed.
    Identities(Lines<'a>),
    /// A passphrase: the whole text as it is.
    Passphrase(&'a [u8]),
}

/// Lines. Each is an identity, blank, or a comment.
#[derive(Clone, Copy)]
pub struct Lines<'a>(&'a [u8]);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyTextError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// The text begins with an identity, and a line is something else.
    #[error("line {line} is no age identity: a character is wrong or missing")]
    Identity {
        /// The number of the line, from 1.
        line: usize,
    },
    /// The text is too long.
    #[error("it is longer than 64 KiB")]
    TooLong,
}

impl Classified for KeyTextError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Key)
    }
}

impl<'a> KeyText<'a> {
    /// Parses a text. It is identities if its first line that is neither blank nor a comment begins
    /// like one. Otherwise it is a passphrase.
    ///
    /// # Errors
    /// The text is empty or too long; a line among the identities is something else.
    pub fn parse(text: &'a [u8]) -> Result<Self, KeyTextError> {
        if text.is_empty() {
            return Err(KeyTextError::Empty);
        }
        if text.len() > MAX_KEY_TEXT {
            return Err(KeyTextError::TooLong);
        }
        if !first_line(text).is_some_and(|line| line.starts_with(IDENTITY)) {
            return Ok(Self::Passphrase(text));
        }
        for (line, content) in lines(text) {
            if !is_passed_over(content) && identity(content).is_none() {
                return Err(KeyTextError::Identity { line });
            }
        }
        Ok(Self::Identities(Lines(text)))
    }
}

impl Lines<'_> {
    /// Returns the identities in their order.
    pub fn iter(&self) -> impl Iterator<Item = Identity> {
        lines(self.0).filter_map(|(_, line)| identity(line))
    }
}

impl core::fmt::Debug for KeyText<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Identities(_) => "Identities",
            Self::Passphrase(_) => "Passphrase",
        })
    }
}

impl core::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Lines")
    }
}

/// Returns a text without the LF or CRLF that an editor or a shell leaves at its end.
pub fn without_line_end(text: &[u8]) -> &[u8] {
    let Some(line) = text.strip_suffix(b"\n") else { return text };
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Returns numbers, from 1, and lines without their ends and the blanks around them.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(text.split(|b| *b == b'\n').map(trimmed))
}

/// Returns the first line that is neither blank nor a comment, without the blanks around it.
pub(crate) fn first_line(text: &[u8]) -> Option<&[u8]> {
    lines(text).map(|(_, line)| line).find(|line| !is_passed_over(line))
}

/// Returns a text without the blanks around it.
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

fn is_passed_over(line: &[u8]) -> bool {
    line.starts_with(b"#") || line.is_empty()
}

fn identity(line: &[u8]) -> Option<Identity> {
    let text = core::str::from_utf8(line).ok()?;
    Identity::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    const ONE: &str = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

    fn publics(text: &str) -> Vec<[u8; 32]> {
        match KeyText::parse(text.as_bytes()).unwrap() {
            KeyText::Identities(lines) => lines.iter().map(|identity| identity.public()).collect(),
            KeyText::Passphrase(_) => panic!("a passphrase"),
        }
    }

    fn is_passphrase(text: &[u8]) -> bool {
        matches!(KeyText::parse(text), Ok(KeyText::Passphrase(whole)) if whole == text)
    }

    #[test]
    fn identities_stand_among_comments_and_blank_lines() {
        let one = publics(ONE);
        assert_eq!(one.len(), 1);
        assert_eq!(publics(&std::format!("# created: today\r\n\r\n{ONE}\r\n")), one);
        assert_eq!(publics(&std::format!("\n{ONE}\n  \n# another\n{ONE}")), [one[0], one[0]]);
    }

    #[test]
    fn blanks_around_identities_do_not_count() {
        let one = publics(ONE);
        for text in [" ONE", "ONE ", "\tONE\t\r\n", "ONE\r", "\r\n  # comment\n  ONE\n\n\n"] {
            assert_eq!(publics(&text.replace("ONE", ONE)), one, "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_a_passphrase_as_it_is() {
        for text in ["secret", " ", "secret\n", "# only a comment\n", "age-secret-key-1", "\u{fc}"]
        {
            assert!(is_passphrase(text.as_bytes()), "{text:?}");
        }
        assert!(is_passphrase(b"\xff\0"));
        assert!(is_passphrase(std::format!("my {ONE}").as_bytes()));
    }

    #[test]
    fn a_mistyped_identity_is_told_by_its_line_and_is_no_passphrase() {
        let mistyped = ONE.replace("2P2", "2P3");
        for (text, line) in [
            (mistyped.clone(), 1),
            (std::format!("# comment\n\n{ONE}\n{mistyped}\n"), 4),
            (std::format!("{ONE}\nsecret"), 2),
            (std::format!("{ONE} {ONE}"), 1),
            ("AGE-SECRET-KEY-1".into(), 1),
        ] {
            let error = KeyText::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, KeyTextError::Identity { line }, "{text}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_no_keys() {
        assert_eq!(KeyText::parse(b"").unwrap_err(), KeyTextError::Empty);
        let long = vec![b'x'; MAX_KEY_TEXT + 1];
        assert_eq!(KeyText::parse(&long).unwrap_err(), KeyTextError::TooLong);
        assert!(is_passphrase(&long[1..]));
    }

    #[test]
    fn one_line_end_is_taken_off() {
        assert_eq!(without_line_end(b"key\n"), b"key");
        assert_eq!(without_line_end(b"key\r\n"), b"key");
        assert_eq!(without_line_end(b"key\n\n"), b"key\n");
        assert_eq!(without_line_end(b"key\r"), b"key\r");
        assert_eq!(without_line_end(b"key"), b"key");
        assert_eq!(without_line_end(b"\n"), b"");
    }
}
