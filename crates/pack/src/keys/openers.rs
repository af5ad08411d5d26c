//! The openers of a packed program: a passphrase, or recipients.

use std::fmt;

use sealcrate_agefile::{EncryptError, Encryptor, FileKey, Header, Identity as _, passphrase};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_packfile::{KeyText, KeyTextError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Key, KeyError, Recipient};

/// The smallest work factor. scrypt's N is 2 to the power of it, and to try a passphrase takes N KiB.
pub const MIN_WORK_FACTOR: u8 = 14;
/// The largest work factor. To try a passphrase takes 1 GiB with it.
pub const MAX_WORK_FACTOR: u8 = 20;
/// The usual work factor. To try a passphrase takes 64 MiB with it.
pub const DEFAULT_WORK_FACTOR: u8 = 16;

/// The most recipients. With more of them, nobody would want to pass on the header and the challenge.
const MAX_RECIPIENTS: usize = 256;

/// The passphrase or the recipients that can open a packed program.
pub struct Openers(Inner);

/// The two kinds of openers.
enum Inner {
    Passphrase { recipient: passphrase::Recipient, key: Key },
    Recipients(Vec<Recipient>),
}

impl Openers {
    /// Takes a passphrase, with a work factor from [`MIN_WORK_FACTOR`] to [`MAX_WORK_FACTOR`].
    ///
    /// # Errors
    /// The passphrase cannot be given at a start, begins like an identity, or is not UTF-8.
    ///
    /// # Panics
    /// The work factor is out of bounds.
    pub fn passphrase(bytes: &[u8], work_factor: u8) -> Result<Self, OpenersError> {
        assert!((MIN_WORK_FACTOR..=MAX_WORK_FACTOR).contains(&work_factor), "the work factor");
        match KeyText::parse(bytes) {
            Ok(KeyText::Passphrase(_)) => {}
            Ok(KeyText::Identities(_)) | Err(KeyTextError::Identity { .. }) => {
                return Err(OpenersError::Identity);
            }
            Err(error) => return Err(OpenersError::Text(error)),
        }
        // Other tools that open the payload take text alone.
        let text = str::from_utf8(bytes).map_err(|_| OpenersError::NotText)?;
        let recipient = passphrase::Recipient::new(text.as_bytes(), work_factor);
        let key = Key::parse(Zeroizing::new(bytes.to_vec())).map_err(OpenersError::Text)?;
        Ok(Self(Inner::Passphrase { recipient, key }))
    }

    /// Takes recipients, each of which can open the program.
    ///
    /// # Errors
    /// There is no recipient, or there are too many.
    pub fn recipients(recipients: Vec<Recipient>) -> Result<Self, OpenersError> {
        match recipients.len() {
            0 => Err(OpenersError::NoRecipient),
            1..=MAX_RECIPIENTS => Ok(Self(Inner::Recipients(recipients))),
            _ => Err(OpenersError::TooManyRecipients),
        }
    }

    /// Prepares to encrypt one file, under a fresh file key.
    ///
    /// # Errors
    /// A recipient's key would give the content away; the system has no randomness to give.
    pub fn encryptor(&self) -> Result<Encryptor, EncryptError> {
        match &self.0 {
            Inner::Passphrase { recipient, .. } => Encryptor::new([recipient as _]),
            Inner::Recipients(recipients) => {
                Encryptor::new(recipients.iter().map(|recipient| recipient.as_age() as _))
            }
        }
    }

    /// Tells whether a passphrase opens the program. Otherwise identities do.
    pub fn is_passphrase(&self) -> bool {
        matches!(self.0, Inner::Passphrase { .. })
    }

    /// Unwraps the file key of a header, if everybody who can open the header is among these openers.
    ///
    /// A passphrase has to be the same one. A recipient's stanza tells only its owner whose it is. So each
    /// stanza has to be for one of `identities`, and the recipient of that identity has to be among
    /// these openers. Some writers add stanzas that are for nobody, to keep readers used to unknown kinds
    /// (c2sp.org/age, "Recipient stanza"). This passes over them.
    ///
    /// # Errors
    /// Somebody else can open the header, or may be able to; the passphrase is another one; the header was
    /// changed.
    pub fn unwrap_covered(
        &self,
        header: &Header<'_>,
        identities: Option<&Key>,
    ) -> Result<FileKey, CoverError> {
        let recipients = match (&self.0, header.passphrase()) {
            (Inner::Passphrase { key, .. }, Some(_)) => return Ok(key.unwrap(header)?),
            (Inner::Recipients(recipients), None) => recipients,
            _ => return Err(CoverError::OtherKind),
        };
        let mut ours = identities.map(Key::identities).unwrap_or_default();
        ours.retain(|(_, recipient)| recipients.contains(recipient));
        let mut found = None;
        for stanza in header.stanzas() {
            if stanza.arguments().next().is_some_and(|kind| kind.ends_with(b"-grease")) {
                continue;
            }
            let mut opened = ours
                .iter()
                .filter_map(|(identity, _)| identity.unwrap_stanza(&stanza).ok().flatten());
            found = Some(opened.next().ok_or(CoverError::Others)?);
        }
        let file_key = found.ok_or(CoverError::Others)?;
        header.check(&file_key).map_err(KeyError::Header)?;
        Ok(file_key)
    }
}

impl fmt::Debug for Openers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Passphrase { .. } => "Openers::Passphrase(..)",
            Inner::Recipients(_) => "Openers::Recipients(..)",
        })
    }
}

/// Why nobody could open a program with a passphrase or identities of recipients.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenersError {
    /// A start would take the passphrase for an identity.
    #[error("the passphrase is an age identity, or begins like one")]
    Identity,
    /// Nobody could open the program.
    #[error("there is no recipient")]
    NoRecipient,
    /// The passphrase has bytes that are no text.
    #[error("the passphrase is not UTF-8")]
    NotText,
    /// The passphrase cannot be a key at all.
    #[error("the passphrase cannot be used: {0}")]
    Text(KeyTextError),
    /// Their stanzas would make too long a header.
    #[error("there are more than {MAX_RECIPIENTS} recipients")]
    TooManyRecipients,
}

impl Classified for OpenersError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}

/// Why the content behind a header may not be used again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoverError {
    /// The key does not open the header.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A passphrase opens the header, and the new openers are recipients, or the other way round.
    #[error("a passphrase opens the one, and identities the other")]
    OtherKind,
    /// A stanza may be for somebody who is not among the new recipients.
    #[error(
        "it may have recipients that the new image does not have: all of them have to be named again, and \
         their identities to be given"
    )]
    Others,
}

impl Classified for CoverError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::OtherKind | Self::Others => Some(ErrorClass::Failure),
            Self::Key(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewIdentity;

    fn refused(passphrase: &[u8]) -> OpenersError {
        Openers::passphrase(passphrase, DEFAULT_WORK_FACTOR).unwrap_err()
    }

    #[test]
    fn passphrases_that_mean_something_else_at_the_start_are_refused() {
        let identity = NewIdentity::generate().unwrap();
        assert_eq!(refused(identity.secret.as_bytes()), OpenersError::Identity);
        assert_eq!(refused(b"AGE-SECRET-KEY-1"), OpenersError::Identity);
        assert_eq!(refused(b"# mine\nAGE-SECRET-KEY-1"), OpenersError::Identity);
        assert_eq!(refused(b""), OpenersError::Text(KeyTextError::Empty));
        assert_eq!(refused(b"caf\xe9"), OpenersError::NotText);
        assert!(Openers::passphrase("caf\u{e9}".as_bytes(), DEFAULT_WORK_FACTOR).is_ok());
    }

    #[test]
    fn no_recipient_and_too_many_are_refused() {
        let recipient = NewIdentity::generate().unwrap().recipient;
        let of = |count| Openers::recipients(vec![recipient.clone(); count]).map(|_| ());
        assert_eq!(of(0), Err(OpenersError::NoRecipient));
        assert_eq!(of(MAX_RECIPIENTS), Ok(()));
        assert_eq!(of(MAX_RECIPIENTS + 1), Err(OpenersError::TooManyRecipients));
    }

    fn key(texts: &[&str]) -> Key {
        Key::parse(Zeroizing::new(texts.join("\n").into_bytes())).unwrap()
    }

    /// Writes the header of a file for `openers`.
    fn header(openers: &Openers) -> Vec<u8> {
        let mut file = Vec::new();
        openers.encryptor().unwrap().write_to(&mut file).unwrap().finish().unwrap();
        file
    }

    /// Tells whether everybody who can open a file under `old` is covered by `new`.
    fn covers(new: &Openers, old: &Openers, identities: Option<&Key>) -> Result<(), CoverError> {
        let file = header(old);
        new.unwrap_covered(&Header::parse(&file).unwrap(), identities).map(drop)
    }

    #[test]
    fn recipients_are_covered_when_each_of_them_is_known_and_named_again() {
        let [a, b] = [NewIdentity::generate().unwrap(), NewIdentity::generate().unwrap()];
        let to = |whom: &[&NewIdentity]| {
            let recipients = whom.iter().map(|identity| identity.recipient.clone());
            Openers::recipients(recipients.collect()).unwrap()
        };
        let both = key(&["# ours", &a.secret, "", &b.secret]);
        let (only_a, only_b) = (key(&[&a.secret]), key(&[&b.secret]));
        assert_eq!(covers(&to(&[&a]), &to(&[&a]), Some(&only_a)), Ok(()));
        assert_eq!(covers(&to(&[&b, &a]), &to(&[&a]), Some(&only_a)), Ok(()));
        let with_blanks = key(&[&format!("  {}\t\r", *a.secret)]);
        assert_eq!(covers(&to(&[&a]), &to(&[&a]), Some(&with_blanks)), Ok(()));
        assert_eq!(covers(&to(&[&a, &b]), &to(&[&a, &b]), Some(&both)), Ok(()));
        // Nobody knows whom the other stanza is for.
        assert_eq!(covers(&to(&[&a, &b]), &to(&[&a, &b]), Some(&only_a)), Err(CoverError::Others));
        // Both recipients are known, but the new ones leave one of them out.
        assert_eq!(covers(&to(&[&a]), &to(&[&a, &b]), Some(&both)), Err(CoverError::Others));
        assert_eq!(covers(&to(&[&b]), &to(&[&a]), Some(&both)), Err(CoverError::Others));
        for identities in [None, Some(&only_b)] {
            assert_eq!(covers(&to(&[&a]), &to(&[&a]), identities), Err(CoverError::Others));
        }
    }

    #[test]
    fn stanza_of_a_kind_that_is_not_known_is_somebody_else() {
        let a = NewIdentity::generate().unwrap();
        let openers = Openers::recipients(vec![a.recipient.clone()]).unwrap();
        let file = header(&openers);
        let text = String::from_utf8_lossy(&file);
        let at = text.find("\n--- ").unwrap() + 1;
        let mut with_other = file[..at].to_vec();
        with_other.extend(b"-> ssh-ed25519 AAAA AAAA\nAAAA\n");
        with_other.extend(&file[at..]);
        let key = key(&[&a.secret]);
        let cover = |file: &[u8]| {
            openers.unwrap_covered(&Header::parse(file).unwrap(), Some(&key)).map(drop)
        };
        assert_eq!(cover(&with_other), Err(CoverError::Others));
        // A header that was changed in another way is refused as well.
        let mut changed = file[..at].to_vec();
        changed.extend(b"-> x-grease\n\n");
        changed.extend(&file[at..]);
        assert!(matches!(cover(&changed), Err(CoverError::Key(KeyError::Header(_)))));
    }

    #[test]
    fn passphrase_covers_itself_alone() {
        let under = |text: &str| Openers::passphrase(text.as_bytes(), MIN_WORK_FACTOR).unwrap();
        let a = NewIdentity::generate().unwrap();
        let recipient = Openers::recipients(vec![a.recipient.clone()]).unwrap();
        assert_eq!(covers(&under("one"), &under("one"), None), Ok(()));
        let wrong = Err(CoverError::Key(KeyError::Wrong));
        assert_eq!(covers(&under("two"), &under("one"), None), wrong);
        let identity = key(&[&a.secret]);
        assert_eq!(covers(&under("one"), &recipient, Some(&identity)), Err(CoverError::OtherKind));
        assert_eq!(covers(&recipient, &under("one"), Some(&identity)), Err(CoverError::OtherKind));
        assert_eq!(
            covers(&recipient, &under("one"), Some(&key(&["one"]))),
            Err(CoverError::OtherKind)
        );
    }

    #[test]
    fn debug_does_not_tell() {
        let openers = Openers::passphrase(b"secret", DEFAULT_WORK_FACTOR).unwrap();
        assert!(!format!("{openers:?}").contains("secret"));
    }
}
