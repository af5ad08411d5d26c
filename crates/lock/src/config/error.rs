//! Why the config of an image cannot be split.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::PathError;

/// Why the config of an image cannot be split.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A member has another shape than engines write.
    #[error("the member {0} of the image config is malformed")]
    Member(&'static str),
    /// A volume has no proper path.
    #[error("{0}")]
    Path(#[from] PathError),
    /// There is no such user or group.
    #[error("the image is run as {0:?}, whom its /etc/passwd and /etc/group do not know")]
    User(String),
}

impl Classified for ConfigError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Member(_) | Self::User(_) => Some(ErrorClass::Failure),
            Self::Path(_) => None,
        }
    }
}
