//! Images in OCI image layouts: folders with an `index.json` and blobs named by their digests.
//!
//! [`LayoutSource`] and [`LayoutSink`] are for folders. The rules for every layout are here once;
//! [`archive`](crate::archive) uses them for tar files of layouts. OCI image specification, "Image
//! Layout".

mod contents;
mod entry;
mod files;
mod folder;
mod made;
mod replaced;
mod sink;
mod source;

use std::io;
use std::path::PathBuf;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::{Digest, ManifestError, MediumError};

pub use replaced::Unremoved;
pub use sink::LayoutSink;
pub use source::LayoutSource;

pub(crate) use contents::{LAYER_FORM, check_index, image_manifest};
pub(crate) use entry::{MARKER, blob_name, named, with_entry};
pub(crate) use files::Files;
pub(crate) use source::Layout;

/// Why an operation on OCI image layouts failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A manifest names a blob that was not written and is not there.
    #[error("blob {0} is not in the layout")]
    BlobAbsent(Digest),
    /// A manifest names another config than the image's.
    #[error("the manifest names config {0}, which is not the image's")]
    Config(Digest),
    /// The list of images cannot be used.
    #[error("the layout's index.json cannot be used")]
    Index(#[source] ManifestError),
    /// A file or folder cannot be read or made.
    #[error("{path} cannot be accessed")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something within the layout's folder leads out of it.
    #[error("{0} is a symbolic link, and a layout has none")]
    Link(PathBuf),
    /// There is no image of the name that the caller gave.
    #[error("the layout has no image {wanted}, only: {there}")]
    NoImage {
        /// That name.
        wanted: String,
        /// The names that there are.
        there: String,
    },
    /// The folder has something else in it.
    #[error("{0} is neither empty nor an OCI image layout")]
    NotALayout(PathBuf),
    /// There are several images, and the caller meant none of them or more than one.
    #[error("the layout has several images that are meant by this: {there}")]
    Several {
        /// The names that there are.
        there: String,
    },
    /// A file is larger than anything of its kind.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// The layout's own file is malformed or of another version.
    #[error("oci-layout does not say version 1.0.0 of the layout")]
    Version,
}

impl Classified for LayoutError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Index(_) => Some(ErrorClass::Damaged),
            Self::BlobAbsent(_)
            | Self::Config(_)
            | Self::Link(_)
            | Self::NoImage { .. }
            | Self::NotALayout(_)
            | Self::Several { .. }
            | Self::TooLarge(_)
            | Self::Version => Some(ErrorClass::Failure),
            Self::Io { .. } => None,
        }
    }
}

impl MediumError for LayoutError {}
