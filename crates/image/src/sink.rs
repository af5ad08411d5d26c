//! Sinks: what every medium offers to whoever writes an image to it.

use std::io;

use thiserror::Error;

use crate::{
    Content, Descriptor, Family, Image, Layer, Outgoing, Progress, RawManifest, Repository,
    archive, layout,
};

/// What a sink wants layers to be before it takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerForm {
    /// Any layer whose diff ID is known.
    AsItComes,
    /// Compressed, with a known digest; where the image has no manifest, one of this family is
    /// made.
    Packed(Family),
}

/// A place in some medium where one image, or index of images, is being written.
///
/// Nothing can be seen there under the image's name before [`commit`](Self::commit) returns. A sink
/// that is dropped before leaves nothing behind.
pub trait Sink: Send + Sync {
    /// Tells what layers must be.
    fn layer_form(&self) -> LayerForm;

    /// Tells which layers of `image` are there already and need not be put: one answer a layer.
    ///
    /// # Errors
    /// Those of the medium.
    fn present(&self, image: &Image) -> Result<Vec<bool>, WriteError>;

    /// Takes the stored bytes of a layer over from the repository `from`, and tells whether that could be
    /// done: where it could not, the layer has to be [`put`](Self::put).
    ///
    /// # Errors
    /// Those of the medium, but not that it refuses.
    fn mount(&self, layer: &Layer, from: &Repository) -> Result<bool, WriteError> {
        let _ = (layer, from);
        Ok(false)
    }

    /// Takes a layer, read to its end and so checked. May be called from many threads, in any order.
    ///
    /// # Errors
    /// Those of the medium and of the layer.
    fn put(&self, layer: &Layer, progress: &dyn Progress) -> Result<(), WriteError>;

    /// Sends `bytes`, which are still being made, before anybody knows their digest, and to their end.
    ///
    /// `name` is what to show to people. Returns what gives them their digest, or `None` where the medium
    /// takes whole layers only or this has failed: the layer has to be [`put`](Self::put) then.
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
    /// Those of the medium; [`WriteError::NoIndex`] where an index cannot be held.
    fn put_child(&self, image: &Outgoing) -> Result<(), WriteError>;

    /// Takes the config and manifest of `image`, whose layers are all put or present, and gives it
    /// its name. Returns what names it by digest.
    ///
    /// # Errors
    /// Those of the medium.
    fn commit(&self, image: &Outgoing) -> Result<Descriptor, WriteError>;

    /// Takes an index, whose children are all put, and gives it its name.
    ///
    /// # Errors
    /// Those of the medium; [`WriteError::NoIndex`] where an index cannot be held.
    fn commit_index(&self, index: &RawManifest) -> Result<Descriptor, WriteError>;
}

/// Bytes that a medium has and nobody has told the digest of.
pub trait Ahead: Send {
    /// Tells that they are `layer`'s, and returns whether the medium has taken them: if not, the layer
    /// has to be [`put`](Sink::put).
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
    /// Reading a layer failed, or what was read is damaged, or writing failed.
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
