//! Answers to the challenges of packed programs that were started without a key.
//!
//! A challenge may hold the header of anything that is encrypted to the same identity. Whoever
//! answers gives that away, so only what a program holds that they mean to start is answered.

use std::fmt;

use aws_lc_rs::rand;
use sealcrate_packfile::Secret;
use sealcrate_packfile::challenge::{Challenge, ChallengeError, buffer_len};
use sealcrate_packfile::response::{Response, ResponseError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Key, KeyError, NoRandomness};

/// Longer lines are no challenges: a header has 64 KiB at most.
const MAX_LINE: usize = 128 << 10;

/// What a program that was started without a key asks for.
pub struct Question {
    line: String,
}

impl Question {
    /// Reads a challenge. White space in it comes from a terminal, and does not count.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ChallengeError> {
        let line: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if line.len() > MAX_LINE {
            return Err(ChallengeError::Damaged);
        }
        Challenge::parse(&line, &mut vec![0; buffer_len(&line)])?;
        Ok(Self { line })
    }

    /// Returns what people compare with what the program shows.
    pub fn fingerprint(&self) -> String {
        self.with(|challenge| challenge.fingerprint().to_string())
    }

    /// Answers, if it is `header` that is asked for, the header of a program that may be started.
    ///
    /// # Errors
    /// Another header is asked for; the key does not open it; the question cannot be answered safely.
    pub fn answer(&self, header: &[u8], key: &Key) -> Result<String, AnswerError> {
        self.with(|challenge| {
            if challenge.header().bytes() != header {
                return Err(AnswerError::OtherProgram);
            }
            let file_key = key.unwrap(challenge.header())?;
            let mut random = Zeroizing::new([0; 32]);
            rand::fill(&mut *random).map_err(|_| NoRandomness)?;
            let response = Response::seal(challenge, &file_key, Secret::new(*random))?;
            Ok(response.to_string())
        })
    }

    /// Returns the header that is asked for.
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
    /// It is not that of the program that was named.
    #[error("the challenge asks for the key of something else than this program")]
    OtherProgram,
    /// Anybody could open the answer.
    #[error("{0}")]
    Response(#[from] ResponseError),
}
