//! Sinks: the interface through which a caller writes an image to any medium.

use std::io;

use thiserror::Error;

use crate::{
    Content, Descriptor, Family, Image, Layer, Outgoing, Progress, RawManifest, Repository,
    archive, layout,
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
    fn send_ahead<'s>(
        &'s self,
        name: &str,
        bytes: &dyn Content,
        progress: &dyn Progress,
    ) -> Option<Box<dyn Ahead + 's>> {
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
pub trait Ahead: Send {
    /// States that they are the bytes of `layer`. Tells whether the medium has taken them: if not, the
    /// layer has to be [`put`](Sink::put).
    fn settle(self: Box<Self>, layer: &Layer) -> bool;
}

/// Why an image cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The archive cannot be written.
    #[error("{0}")]
    Archive(#[from] archive::ArchiveError),
    /// The engine does not take the image.
    #[cfg(feature = "engine")]
    #[error("{0}")]
    Engine(#[from] crate::engine::EngineError),
    /// Reading a layer failed, or its bytes are damaged, or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The layout cannot be written.
    #[error("{0}")]
    Layout(#[from] layout::LayoutError),
    /// The image's parts do not make a manifest.
    #[error("{0}")]
    Manifest(#[from] crate::ManifestError),
    /// The medium cannot hold an index.
    #[error("{0} holds single images, not an index of several")]
    NoIndex(&'static str),
    /// The registry does not take the image.
    #[cfg(feature = "registry")]
    #[error("{0}")]
    Registry(#[from] crate::registry::RegistryError),
}
