//! Errors of opening a payload, in words for the user, and their exit statuses.

use core::fmt;

use sealcrate_agefile::HeaderError;
use sealcrate_packfile::response::ResponseError;
use sealcrate_packfile::{KeyOddity, KeyTextError, SegmentError};
use thiserror::Error;

use crate::system::Errno;
use crate::tell::{Shown, Tell};

/// Why a payload cannot be opened.
#[derive(Debug, Error)]
pub enum Failure {
    /// The terminal belongs to another job.
    #[error(
        "no key: this job is in the background, where nothing can be asked: bring it to the \
         foreground (fg), or give the key in a variable or a file"
    )]
    Background,
    /// The content is authentic, but no packer writes such content.
    #[error("the payload is damaged: {0}")]
    Content(&'static str),
    /// A chunk is not authentic, or some are missing or too many.
    #[error("the payload is damaged")]
    Damaged,
    /// The file of the payload ends before it should, or its disk cannot be read.
    #[error("the payload is damaged: the file is cut off, or cannot be read")]
    CutOff,
    /// The code is wrong.
    #[error("sealcrate has a defect here")]
    Defect,
    /// The program or an unlocked file is longer than files may be.
    #[error("not enough room: a file may not be so long (ulimit -f)")]
    FileLimit,
    /// The age header does not have its proper form.
    #[error("the payload is damaged: {0}")]
    Header(HeaderError),
    /// The age header was changed.
    #[error("the payload is damaged: its header was changed")]
    HeaderChanged,
    /// The user typed nothing, or ended the prompt.
    #[error("no key: the prompt was ended")]
    Interrupted,
    /// A text was found in the place of a key, but cannot be one.
    #[error("{place} has no key: {error}")]
    Key {
        /// Where it was.
        place: Place,
        /// The reason why it is no key.
        error: KeyTextError,
    },
    /// A file that should have the key cannot be read.
    #[error("no key: cannot read {}: {error}", Shown(path))]
    KeyFile {
        /// The file.
        path: &'static [u8],
        /// The kernel's error.
        error: Errno,
    },
    /// The file of the key is there, but this user may not read it.
    #[error("no key: the user {user} may not read {}", Shown(path))]
    KeyFileOfAnother {
        /// The file.
        path: &'static [u8],
        /// The number of the user.
        user: u32,
    },
    /// The user typed a line that is too long.
    #[error("no key: the line is longer than 4096 bytes")]
    LineTooLong,
    /// The control group does not have enough memory.
    #[error("not enough memory: the limit is {limit} MiB, and {needed} MiB are needed")]
    MemoryLimit {
        /// The limit, in MiB.
        limit: u64,
        /// The needed memory, in MiB.
        needed: u64,
    },
    /// There is no memory for something.
    #[error("not enough memory for {0}")]
    Memory(&'static str),
    /// There is no key, and nobody to ask.
    #[error(
        "no key: looked at the variables {variable} and {variable}_FILE and for the file {}, and \
         there is no terminal to ask at",
        Shown(file)
    )]
    NoKey {
        /// The variable.
        variable: &'static str,
        /// The start key file.
        file: &'static [u8],
    },
    /// There are no random bytes.
    #[error("no random bytes: {0}")]
    Random(Errno),
    /// The response to the challenge opens nothing.
    #[error("wrong key: {0}")]
    Response(ResponseError),
    /// The payload's segment does not have its proper form.
    #[error("the payload is damaged: {0}")]
    Segment(SegmentError),
    /// A signal came.
    #[error("ended by a signal")]
    Signal(u32),
    /// The limit for the stack is too small.
    #[error("not enough memory for the stack (ulimit -s)")]
    Stack,
    /// The terminal does not work.
    #[error("no key: the terminal cannot be used: {0}")]
    Terminal(Errno),
    /// The key seems to be an identity, but is not written as one.
    #[error("wrong key{}: only an age identity opens it, and {oddity}", From(*place))]
    WrittenOtherwise {
        /// Where the key was.
        place: Place,
        /// How it is written.
        oddity: KeyOddity,
    },
    /// The key opens nothing.
    #[error("wrong key{}", From(*.0))]
    WrongKey(Place),
    /// The passphrase opens nothing, and something is odd about it.
    #[error("wrong key{}: {oddity}", From(*place))]
    WrongPassphrase {
        /// Where the key was.
        place: Place,
        /// The odd thing about the passphrase.
        oddity: KeyOddity,
    },
    /// The user gave an identity where only a passphrase opens the payload, or the other way round.
    #[error("wrong key{}: only {opened_by} opens it", From(*place))]
    WrongKind {
        /// Where the key was.
        place: Place,
        /// The kind of key that opens the payload.
        opened_by: &'static str,
    },
}

/// Where a key was found.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// In a file.
    File(&'static [u8]),
    /// At the terminal.
    Terminal,
    /// In a variable.
    Variable(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", Shown(path)),
            Self::Terminal => f.write_str("what was typed"),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// Writes where a key comes from, unless it has just been typed.
struct From(Place);

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Place::Terminal => Ok(()),
            place => write!(f, " in {place}"),
        }
    }
}

impl Tell for Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Background
            | Self::Interrupted
            | Self::Key { .. }
            | Self::KeyFile { .. }
            | Self::KeyFileOfAnother { .. }
            | Self::LineTooLong
            | Self::NoKey { .. }
            | Self::Response(_)
            | Self::WrongKey(_)
            | Self::WrongKind { .. }
            | Self::WrongPassphrase { .. }
            | Self::WrittenOtherwise { .. } => 3,
            Self::Content(_)
            | Self::CutOff
            | Self::Damaged
            | Self::Header(_)
            | Self::HeaderChanged
            | Self::Segment(_) => 5,
            // Shells use this status for a process that a signal ended.
            Self::Signal(signal) => 128 + *signal as u8,
            _ => 1,
        }
    }
}
