//! Why a locked image cannot be unlocked.

use std::io;

use sealcrate_agefile::HeaderError;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_pack::KeyError;
use sealcrate_packfile::SegmentError;
use sealcrate_packfile::index::IndexError;
use thiserror::Error;

/// Why a locked image cannot be unlocked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// Something in it was changed.
    #[error("the payload is damaged")]
    Damaged,
    /// The index's age file is malformed.
    #[error("the payload is damaged: {0}")]
    Header(#[from] HeaderError),
    /// The original config cannot be used.
    #[error("{0}")]
    ImageConfig(#[from] sealcrate_image::ConfigError),
    /// The index is malformed, though it is authentic.
    #[error("{0}")]
    Index(#[from] IndexError),
    /// The image cannot be read, or the spool cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is another key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Layers of the index are missing, or the image has others.
    #[error("the image has other layers than its index")]
    LayerCount,
    /// It has no index.
    #[error("the image is not locked")]
    NotLocked,
    /// The file of the index is malformed.
    #[error("{0}")]
    Segment(#[from] SegmentError),
}

impl Classified for UnlockError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NotLocked => Some(ErrorClass::NotEncrypted),
            Self::Damaged
            | Self::Header(_)
            | Self::Index(_)
            | Self::LayerCount
            | Self::Segment(_) => Some(ErrorClass::Damaged),
            Self::ImageConfig(_) | Self::Io(_) | Self::Key(_) => None,
        }
    }
}
