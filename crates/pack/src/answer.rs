//! Answers to the challenges of packed programs that were started without a key.
//!
//! A challenge may hold the header of any file that is encrypted to the same identity. An answer gives
//! that file away. So this module answers only for the header of a program that you mean to start.

use std::fmt;

use aws_lc_rs::rand;
use sealcrate_agefile::X25519Key;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_packfile::challenge::{Challenge, ChallengeError, buffer_len};
use sealcrate_packfile::response::{Response, ResponseError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Key, KeyError};
use sealcrate_agefile::NoRandomness;

/// Longer lines are no challenges: a header has 64 KiB at most.
const MAX_LINE: usize = 128 << 10;

/// The challenge of a program that was started without a key.
pub struct Question {
    line: String,
}

impl Question {
    /// Reads a challenge. White space in it comes from a terminal, and does not count.
    ///
    /// # Errors
    /// The text is no challenge.
    pub fn parse(text: &str) -> Result<Self, ChallengeError> {
        let line: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if line.len() > MAX_LINE {
            return Err(ChallengeError::Damaged);
        }
        Challenge::parse(&line, &mut vec![0; buffer_len(&line)])?;
        Ok(Self { line })
    }

    /// Returns the fingerprint. People compare it with the fingerprint that the program shows.
    pub fn fingerprint(&self) -> String {
        self.with(|challenge| challenge.fingerprint().to_string())
    }

    /// Returns the response, if the challenge asks for `header`. Pass the header of a program that you
    /// mean to start.
    ///
    /// # Errors
    /// The challenge asks for another header; the key does not open the header; the system has no
    /// randomness to give; anybody could open the response.
    pub fn answer(&self, header: &[u8], key: &Key) -> Result<String, AnswerError> {
        self.with(|challenge| {
            if challenge.header().bytes() != header {
                return Err(AnswerError::OtherProgram);
            }
            let file_key = key.unwrap(challenge.header())?;
            let mut random = Zeroizing::new([0; 32]);
            rand::fill(&mut *random).map_err(|_| NoRandomness)?;
            let response = Response::seal(challenge, &file_key, X25519Key::new(*random))?;
            Ok(response.to_string())
        })
    }

    /// Returns the header that the challenge asks for.
    pub fn header(&self) -> Vec<u8> {
        self.with(|challenge| challenge.header().bytes().to_vec())
    }

    fn with<T>(&self, use_it: impl FnOnce(&Challenge<'_>) -> T) -> T {
        let mut buffer = vec![0; buffer_len(&self.line)];
        use_it(&Challenge::parse(&self.line, &mut buffer).expect("it has been parsed"))
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({})", self.fingerprint())
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// The key does not open it.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// There is no randomness for a key.
    #[error("{0}")]
    NoRandomness(#[from] NoRandomness),
    /// The challenge holds another header than the named program.
    #[error("the challenge asks for the key of something else than this program")]
    OtherProgram,
    /// Anybody could open the answer.
    #[error("{0}")]
    Response(#[from] ResponseError),
}

impl Classified for AnswerError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::OtherProgram => Some(ErrorClass::Damaged),
            Self::Key(_) | Self::NoRandomness(_) | Self::Response(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use sealcrate_agefile::Header;
    use sealcrate_packfile::challenge;

    use super::*;
    use crate::fixtures::packed;
    use crate::{Compression, NewIdentity, Openers, Packed};

    /// A program that was packed to a recipient, and started without a key.
    struct Started {
        identity: NewIdentity,
        packed: Packed,
        secret: X25519Key,
        line: String,
    }

    fn started() -> Started {
        let identity = NewIdentity::generate().unwrap();
        let openers = Openers::recipients(vec![identity.recipient.clone()]).unwrap();
        let packed = Packed::read(&packed(&openers, Compression::Lz4)).unwrap();
        let secret = X25519Key::new([7; 32]);
        let line = ask(secret.public(), packed.header());
        Started { identity, packed, secret, line }
    }

    fn ask(public: [u8; 32], header: &[u8]) -> String {
        let mut line = vec![0; challenge::line_len(header.len())];
        challenge::write(&public, &Header::parse(header).unwrap(), &mut line).to_owned()
    }

    fn key(identity: &NewIdentity) -> Key {
        Key::parse(Zeroizing::new(identity.secret.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn the_program_that_asked_opens_the_answer() {
        let Started { identity, packed, secret, line } = started();
        // As a terminal may break it.
        let (start, end) = line.split_at(80);
        let question = Question::parse(&format!(" {start}\r\n{end}\n")).unwrap();
        assert_eq!(question.fingerprint(), challenge::Fingerprint::of(&line).to_string());
        assert_eq!(question.header(), packed.header());
        let answer = question.answer(packed.header(), &key(&identity)).unwrap();
        let file_key = Response::parse(&answer).unwrap().open(&line, &secret).unwrap();
        assert!(Header::parse(packed.header()).unwrap().check(&file_key).is_ok());
        assert_ne!(question.answer(packed.header(), &key(&identity)).unwrap(), answer);
    }

    #[test]
    fn headers_of_anything_else_are_not_answered() {
        let (one, other) = (started(), started());
        let question = Question::parse(&one.line).unwrap();
        let refused = question.answer(other.packed.header(), &key(&one.identity)).unwrap_err();
        assert_eq!(refused, AnswerError::OtherProgram);
        let refused = question.answer(one.packed.header(), &key(&other.identity)).unwrap_err();
        assert_eq!(refused, AnswerError::Key(KeyError::Wrong));
    }

    #[test]
    fn a_header_that_was_changed_is_not_answered() {
        let Started { identity, packed, secret, .. } = started();
        // The challenge and the named program have the same header. Somebody put a stanza into it.
        let header = String::from_utf8(packed.header().to_vec()).unwrap();
        let changed = header.replacen("\n---", "\n-> x y\n\n---", 1).into_bytes();
        let question = Question::parse(&ask(secret.public(), &changed)).unwrap();
        let refused = question.answer(&changed, &key(&identity)).unwrap_err();
        assert!(matches!(refused, AnswerError::Key(KeyError::Header(_))), "{refused}");
    }

    #[test]
    fn a_key_that_would_give_the_answer_away_is_refused() {
        let Started { identity, packed, .. } = started();
        let question = Question::parse(&ask([0; 32], packed.header())).unwrap();
        let refused = question.answer(packed.header(), &key(&identity)).unwrap_err();
        assert_eq!(refused, AnswerError::Response(ResponseError::Share));
    }

    #[test]
    fn what_is_no_challenge_is_told() {
        assert_eq!(Question::parse("hello").unwrap_err(), ChallengeError::Prefix);
        let line = started().line;
        let cut = Question::parse(&line[..line.len() - 5]).unwrap_err();
        assert!(!matches!(cut, ChallengeError::Prefix), "{cut}");
        let long = format!("{line}{}", "A".repeat(MAX_LINE));
        assert_eq!(Question::parse(&long).unwrap_err(), ChallengeError::Damaged);
    }
}
