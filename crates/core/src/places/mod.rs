//! The places that images are read from and written to.

mod direct;
mod files;

use std::sync::Arc;

use sealcrate_image::engine::ExportForm;
use sealcrate_image::{DiffId, Digest, Location, Reference, Sink, Source};

use crate::Result;

pub use direct::Direct;
pub use files::Files;

/// Opens places. The caller knows engines, credentials, and the ways to registries.
pub trait Places: Send + Sync {
    /// Opens a place to read from. An engine's layers are brought into `form` on their way out.
    ///
    /// # Errors
    /// The place cannot be opened.
    fn source(&self, location: &Location, form: ExportForm<'_>) -> Result<Arc<dyn Source>>;

    /// Opens a place to write to. Nothing can be seen there before the image is committed.
    ///
    /// # Errors
    /// The place cannot be opened.
    fn sink(&self, location: &Location) -> Result<Arc<dyn Sink>>;

    /// Opens an image in a registry to read from.
    ///
    /// # Errors
    /// The registry cannot be reached.
    fn registry_source(&self, reference: &Reference) -> Result<Arc<dyn Source>>;

    /// Returns the digest that a name in a registry leads to; `None` if there is no such name.
    ///
    /// # Errors
    /// The registry does not tell.
    fn tag(&self, reference: &Reference) -> Result<Option<Digest>>;

    /// Returns the diff IDs of the image at a location, lowest first. It reads as little as it can.
    ///
    /// # Errors
    /// The image cannot be read.
    fn diff_ids(&self, location: &Location) -> Result<Vec<DiffId>>;
}
