//! Why an image cannot be locked.

use std::io;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_pack::ParametersError;
use sealcrate_packfile::index::IndexError;
use thiserror::Error;

use crate::{ConfigError, DifferenceError, LayerError};

/// Why an image cannot be locked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Its config cannot be split.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Its layers do not fit together, or something in them cannot be locked.
    #[error("{0}")]
    Difference(#[from] DifferenceError),
    /// Its config cannot be used.
    #[error("{0}")]
    ImageConfig(#[from] sealcrate_image::ConfigError),
    /// The init would refuse the index.
    #[error("{0}")]
    Index(#[from] IndexError),
    /// The image cannot be read, or the spool cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A layer cannot be understood.
    #[error("layer {0} cannot be locked")]
    Layer(String, #[source] LayerError),
    /// Config and layers do not fit together.
    #[error("the image has another number of layers than its config")]
    LayerCount,
    /// This build cannot lock for the image's machine.
    #[error("this sealcrate has no init for {0}")]
    NoInit(String),
    /// The variable, the key file or the banner is not allowed.
    #[error("{0}")]
    Parameters(#[from] ParametersError),
}

impl Classified for LockError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Index(_) | Self::LayerCount | Self::NoInit(_) | Self::Parameters(_) => {
                Some(ErrorClass::Failure)
            }
            Self::Config(_)
            | Self::Difference(_)
            | Self::ImageConfig(_)
            | Self::Io(_)
            | Self::Layer(..) => None,
        }
    }
}
