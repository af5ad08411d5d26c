//! Why an operation on a program fails.

use std::io;
use std::path::PathBuf;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_pack::{
    AnswerError, ChallengeError, InFolderError, PackedError, ParametersError, Privilege,
};
use thiserror::Error;

/// Why a file is not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// A file has the name, and stays.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// Something has the name that is no file, such as a folder or a device.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Classified for DestinationError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Exists(_) | Self::NotAFile(_) => Some(ErrorClass::Failure),
            Self::Write { .. } => None,
        }
    }
}

/// Why a program is not packed with these options.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackOptionsError {
    /// A file or folder cannot be put beside the program.
    #[error("{0}")]
    Beside(#[source] InFolderError),
    /// The program cannot be put into that folder.
    #[error("{0}")]
    Folder(#[source] InFolderError),
    /// A packed program cannot know such facts.
    #[error("{0}")]
    Parameters(#[source] ParametersError),
    /// The file gives privileges that would be lost.
    #[error("it has {}, which a packed program cannot have", joined(.0))]
    Privileges(Vec<Privilege>),
}

impl Classified for PackOptionsError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Folder(_) | Self::Parameters(_) => Some(ErrorClass::Usage),
            Self::Privileges(_) => Some(ErrorClass::Failure),
            Self::Beside(_) => None,
        }
    }
}

/// Joins the names of privileges.
fn joined(privileges: &[Privilege]) -> String {
    privileges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// Why a challenge gets no response.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The named program does not ask this, or the key does not open it.
    #[error("no answer for {location}")]
    Answer {
        /// The place of the program.
        location: String,
        /// The cause.
        source: AnswerError,
    },
    /// The text is no challenge.
    #[error("the challenge cannot be read")]
    Challenge(#[source] ChallengeError),
    /// A layer cannot be searched.
    #[error("cannot search layer {layer}")]
    Layer {
        /// The name of the layer.
        layer: String,
        /// The cause.
        source: io::Error,
    },
    /// No program in the image asks this.
    #[error("no program in {0} asks for this")]
    NotFound(String, #[source] AnswerError),
    /// The named file is no packed program.
    #[error("{}", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: PackedError,
    },
}

impl Classified for RespondError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Answer { .. }
            | Self::Challenge(_)
            | Self::Layer { .. }
            | Self::NotFound(..)
            | Self::Packed { .. } => None,
        }
    }
}
