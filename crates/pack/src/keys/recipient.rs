//! Recipients, as people write them.

use std::fmt;
use std::str::FromStr;

use sealcrate_agefile::x25519;
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// A recipient of packed programs: the public side of an age X25519 identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    /// Takes the public side of an identity.
    pub(crate) fn of(recipient: x25519::Recipient) -> Self {
        Self(recipient)
    }

    /// Returns the recipient as writers of age files take it.
    pub(crate) fn as_age(&self) -> &x25519::Recipient {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        if let Ok(recipient) = text.parse() {
            return Ok(Self(recipient));
        }
        // The text may be a secret in the wrong place, so the error does not repeat it.
        let begins = |prefix: &str| {
            text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        // Bech32 has no digit 1 in its data. So a second 1 ends the longer name of another kind.
        let is_other = text.strip_prefix("age1").is_some_and(|data| data.contains('1'));
        Err(if begins("age-secret-key-") {
            RecipientError::Identity
        } else if is_other || begins("ssh-") {
            RecipientError::OtherKind
        } else {
            RecipientError::Malformed
        })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no recipient.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientError {
    /// The text is the secret side.
    #[error("it is an identity, which is secret: the recipient is its public key, age1…")]
    Identity,
    /// The text is nothing of the kind.
    #[error("it is no age recipient, age1…: a character is wrong or missing")]
    Malformed,
    /// The recipient has a kind of key that the stub does not know.
    #[error("only X25519 recipients can open a program that starts: age1… as keygen prints it")]
    OtherKind,
}

impl Classified for RecipientError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewIdentity;

    #[test]
    fn recipients_are_read_as_they_are_written() {
        let recipient = NewIdentity::generate().unwrap().recipient;
        assert_eq!(recipient.to_string().parse(), Ok(recipient));
    }

    #[test]
    fn what_is_no_recipient_is_told_without_repeating_it() {
        let parse = |text: &str| text.parse::<Recipient>().unwrap_err();
        let identity = NewIdentity::generate().unwrap();
        assert_eq!(parse(&identity.secret), RecipientError::Identity);
        let mut mistyped = identity.recipient.to_string();
        mistyped.pop();
        for text in ["", "hello", "age1", mistyped.as_str()] {
            assert_eq!(parse(text), RecipientError::Malformed, "{text}");
        }
        for text in ["ssh-ed25519 AAAA", "age1yubikey1qqqq", "age1pq1qqqq"] {
            assert_eq!(parse(text), RecipientError::OtherKind, "{text}");
        }
    }
}
