//! Sinks: the interface through which a caller writes an image to any medium.

use std::io;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use super::medium::{MediumError, MediumFailure};
use crate::{
    Content, Descriptor, Family, Image, Layer, Outgoing, Progress, RawManifest, Repository,
};

/// The form that a sink wants layers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerForm {
    /// Any layer whose diff ID is known.
    AsItComes,
    /// Compressed, with a known digest. For an image without a manifest the sink makes one of this
    /// family.
    Packed(Family),
}

/// A place in some medium where one image, or index of images, is being written.
///
/// Nothing can be seen there under the image's name before [`commit`](Self::commit) returns. A sink that
/// is dropped earlier leaves nothing behind.
pub trait Sink: Send + Sync {
    /// Returns the form that layers must have.
    fn layer_form(&self) -> LayerForm;

    /// Tells for each layer of `image` whether it is there already and need not be put.
    ///
    /// # Errors
    /// Errors of the medium.
    fn present(&self, image: &Image) -> Result<Vec<bool>, WriteError>;

    /// Takes the stored bytes of a layer over from the repository `from`, and tells whether that
    /// succeeded. If it did not, the layer has to be [`put`](Self::put).
    ///
    /// # Errors
    /// Errors of the medium, but not its refusal.
    fn mount(&self, layer: &Layer, from: &Repository) -> Result<bool, WriteError> {
        let _ = (layer, from);
        Ok(false)
    }

    /// Takes a layer, read to its end and so checked. May be called from many threads, in any order.
    ///
    /// # Errors
    /// Errors of the medium and of the layer.
    fn put(&self, layer: &Layer, progress: &dyn Progress) -> Result<(), WriteError>;

    /// Sends `bytes`, which are still being made and whose digest nobody knows yet, to their end.
    ///
    /// `name` is the name to show to people. Returns a handle that gives the bytes their digest. Returns
    /// `None` if the medium takes whole layers only or the sending failed: the layer has to be
    /// [`put`](Self::put) then.
    fn upload_streaming<'s>(
        &'s self,
        name: &str,
        bytes: &dyn Content,
        progress: &dyn Progress,
    ) -> Option<Box<dyn StreamedUpload + 's>> {
        let _ = (name, bytes, progress);
        None
    }

    /// Takes the config and manifest of an image that an index will name.
    ///
    /// # Errors
    /// Errors of the medium; [`WriteError::NoIndex`] if it cannot hold an index.
    fn put_child(&self, image: &Outgoing) -> Result<(), WriteError>;

    /// Takes the config and manifest of `image`, whose layers are all put or present, and gives it its
    /// name. Returns its descriptor.
    ///
    /// # Errors
    /// Errors of the medium.
    fn commit(&self, image: &Outgoing) -> Result<Descriptor, WriteError>;

    /// Takes an index, whose children are all put, and gives it its name.
    ///
    /// # Errors
    /// Errors of the medium; [`WriteError::NoIndex`] if it cannot hold an index.
    fn commit_index(&self, index: &RawManifest) -> Result<Descriptor, WriteError>;
}

/// Bytes that a medium has received without their digest.
pub trait StreamedUpload: Send {
    /// States that they are the bytes of `layer`. Tells whether the medium has taken them: if not, the
    /// layer has to be [`put`](Sink::put).
    fn settle(self: Box<Self>, layer: &Layer) -> bool;
}

/// Why an image cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Reading a layer failed, or its bytes are damaged, or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The image's parts do not make a manifest.
    #[error("{0}")]
    Manifest(#[from] crate::ManifestError),
    /// The medium says so.
    #[error(transparent)]
    Medium(MediumFailure),
    /// The medium cannot hold an index.
    #[error("{0} holds single images, not an index of several")]
    NoIndex(&'static str),
}

impl Classified for WriteError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NoIndex(_) => Some(ErrorClass::Failure),
            Self::Io(_) | Self::Manifest(_) => None,
            Self::Medium(failure) => failure.class(),
        }
    }
}

impl<E: MediumError> From<E> for WriteError {
    fn from(error: E) -> Self {
        Self::Medium(error.into())
    }
}

impl WriteError {
    /// Tells whether another error came first and says more.
    pub fn follows_another(&self) -> bool {
        match self {
            Self::Medium(failure) => failure.follows_another(),
            _ => false,
        }
    }

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
