//! Sources: the interface through which a caller reads an image from any medium.

use std::io;
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use super::medium::{MediumError, MediumFailure};
use crate::{ConfigError, Content, Descriptor, IndexError, ManifestError, RawManifest};

/// One image, or index of images, in some medium.
pub trait Source: Send + Sync {
    /// Reads the manifest or index that the location names. If the location names it by digest, the
    /// source checks the bytes against that.
    ///
    /// # Errors
    /// Errors of the medium.
    fn root(&self) -> Result<RawManifest, ReadError>;

    /// Reads the child manifest that `descriptor` names, and checks it against its digest and size.
    ///
    /// # Errors
    /// Errors of the medium; bytes of another digest or size than the descriptor's.
    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ReadError>;

    /// Tells whether the medium stores manifests, so that their bytes must be kept. If not, the
    /// source makes manifests up from the image.
    fn stores_manifests(&self) -> bool {
        true
    }

    /// Returns the blob that `descriptor` names. Nothing is read before the blob is opened, and its
    /// reader checks it.
    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content>;

    /// Returns the blob of a config. Over a network it must come in the time of a document, even
    /// where a layer may take longer.
    fn config(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        self.blob(descriptor)
    }
}

/// Why an image cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The index has no image that fits.
    #[error("{0}")]
    Index(#[from] IndexError),
    /// Reading failed, or the bytes are damaged.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The manifest cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The medium says so.
    #[error(transparent)]
    Medium(MediumFailure),
    /// The only image that there is, is for another platform.
    #[error("the image is for {has}, not for {wanted}")]
    OtherPlatform {
        /// The platform of the image.
        has: String,
        /// The platform that the caller asked for.
        wanted: String,
    },
    /// Indexes lie within indexes, too deep.
    #[error("too many indexes lie within each other")]
    TooDeep,
}

impl Classified for ReadError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::OtherPlatform { .. } | Self::TooDeep => Some(ErrorClass::Failure),
            Self::Config(_) | Self::Index(_) | Self::Io(_) | Self::Manifest(_) => None,
            Self::Medium(failure) => failure.class(),
        }
    }
}

impl<E: MediumError> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Medium(error.into())
    }
}

impl ReadError {
    /// Returns the medium's error, if it is an `E`.
    pub fn medium<E: MediumError>(&self) -> Option<&E> {
        match self {
            Self::Medium(failure) => failure.get(),
            _ => None,
        }
    }

    /// Returns the medium's error, if it is an `E`.
    ///
    /// # Errors
    /// It is not: the same value.
    pub fn into_medium<E: MediumError>(self) -> Result<E, Self> {
        match self {
            Self::Medium(failure) => failure.into_inner().map_err(Self::Medium),
            other => Err(other),
        }
    }
}
