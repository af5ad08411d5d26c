//! Reasons against locking an image: problems with single paths, and layers that do not fit together.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::{TreeError, TreePath};

/// Something that cannot be locked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing in memory can have them.
    #[error("{0} has file capabilities, which have no effect in memory")]
    Capabilities(TreePath),
    /// Nothing in memory can be one.
    #[error("{0} is a device node")]
    Device(TreePath),
    /// A hard link of a private layer leads to a clear file that a later layer hides.
    #[error("{0} is a hard link to a file of a clear layer that no path leads to any more")]
    HiddenTarget(TreePath),
    /// Engines copy it to a volume.
    #[error("{0} is private, but lies in {1}, where something will be mounted")]
    Mountpoint(TreePath, TreePath),
    /// The user wants it unlocked whole, and there is no such folder.
    #[error("there is no folder {0}")]
    NoFolder(TreePath),
    /// Engines read or write it.
    #[error("{0} is private, but read or written by engines")]
    OfEngines(TreePath),
    /// The image has a folder that only locked images have.
    #[error("the image has a /.sealcrate: it is locked already")]
    Ours,
    /// Nothing in memory can have it.
    #[error("{0} is set-user-ID or set-group-ID, which has no effect in memory")]
    SetId(TreePath),
    /// The user wants it unlocked whole, and it has to stay a folder.
    #[error("{0} cannot be unlocked whole: something is mounted there or in it")]
    StaysFolder(TreePath),
    /// Engines copy the files there.
    #[error("{0} is private, but lies in the volume {1}")]
    Volume(TreePath, TreePath),
}

impl Classified for Problem {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

/// Why an image cannot be locked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// The clear layers cannot stand alone.
    #[error("a clear layer needs a private one: {0}")]
    ClearLayer(#[source] TreeError),
    /// Some paths cannot be locked.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    /// The layers do not fit together.
    #[error("{0}")]
    Tree(#[from] TreeError),
}

impl Classified for DifferenceError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Problems(_) => Some(ErrorClass::Failure),
            Self::ClearLayer(_) | Self::Tree(_) => None,
        }
    }
}

/// How many problems the error shows.
const SHOWN: usize = 10;

fn list(problems: &[Problem]) -> String {
    let mut shown: Vec<_> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        shown.push(format!("and {} more", problems.len() - SHOWN));
    }
    shown.join("; ")
}
