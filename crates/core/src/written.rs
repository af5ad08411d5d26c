//! The result of an operation that writes an image.

use sealcrate_image::{Descriptor, Image};

/// An image or index that was written.
pub enum Written {
    /// An image, with its descriptor at the destination. With attestations, the descriptor is the one of an
    /// index of both.
    Image(Descriptor, Box<Image>),
    /// An index.
    Index(Descriptor),
}

impl Written {
    /// Returns the descriptor at the destination.
    pub fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Image(descriptor, _) | Self::Index(descriptor) => descriptor,
        }
    }
}
