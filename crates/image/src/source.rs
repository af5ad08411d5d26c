//! Sources: what every medium offers to whoever reads an image from it.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::{
    ConfigError, Content, Descriptor, IndexError, ManifestError, RawManifest, archive, layout,
};

/// One image, or index of images, in some medium.
pub trait Source: Send + Sync {
    /// Reads the manifest or index that the location names. Where it is named by digest, the bytes
    /// have been checked against it.
    ///
    /// # Errors
    /// Those of the medium.
    fn root(&self) -> Result<RawManifest, ReadError>;

    /// Reads the child manifest that `descriptor` names, and checks it against its digest and size.
    ///
    /// # Errors
    /// Those of the medium; bytes that are not the descriptor's.
    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ReadError>;

    /// Tells whether manifests are stored here, so that their bytes must be kept, or are only made up
    /// from what is.
    fn stores_manifests(&self) -> bool {
        true
    }

    /// Returns the blob that `descriptor` names. Nothing is read before it is opened, and whoever
    /// opens it checks it.
    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content>;

    /// Returns the blob of a config. Where it comes over a network, it has to come in the time of a
    /// document, however slowly a layer may come.
    fn config(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        self.blob(descriptor)
    }
}

/// Why an image cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The archive cannot be read.
    #[error("{0}")]
    Archive(#[from] archive::ArchiveError),
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The engine does not give the image out.
    #[cfg(feature = "engine")]
    #[error("{0}")]
    Engine(#[from] crate::engine::EngineError),
    /// The index has no image that fits.
    #[error("{0}")]
    Index(#[from] IndexError),
    /// Reading failed, or what was read is damaged.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The layout cannot be read.
    #[error("{0}")]
    Layout(#[from] layout::LayoutError),
    /// The manifest cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The only image that there is, is for another platform.
    #[error("the image is for {has}, not for {wanted}")]
    OtherPlatform {
        /// What the image is for.
        has: String,
        /// What was asked for.
        wanted: String,
    },
    /// The registry does not give the image out.
    #[cfg(feature = "registry")]
    #[error("{0}")]
    Registry(#[from] crate::registry::RegistryError),
    /// Indexes lie within indexes too deep.
    #[error("too many indexes lie within each other")]
    TooDeep,
}
