//! Images that may be written. A sink takes no other, so that an image which was only read gets nowhere.

use std::ops::Deref;

use crate::{Family, Image, Layer, ManifestError};

/// An image that may be written: its parts were verified, or the user gave no key to verify it with.
#[derive(Clone)]
pub struct Outgoing(Image);

/// States that the user gave no key, so that nothing can verify an image.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys(());

impl NoKeys {
    /// States it. The caller has looked at every key that the user could give.
    pub fn given() -> Self {
        Self(())
    }
}

impl Outgoing {
    /// Takes an image whose parts were all made here or verified.
    pub fn built(image: Image) -> Self {
        Self(image)
    }

    /// Takes an image as it was read, to pass it on byte for byte.
    pub fn as_read(image: Image, _: NoKeys) -> Self {
        Self(image)
    }

    /// Returns the same image, with its layers read from `layers` now.
    pub fn with_layers(&self, layers: Vec<Layer>) -> Self {
        Self(Image { layers, ..self.0.clone() })
    }

    /// Returns the same image with a manifest of `family`, made of its layers' descriptors.
    ///
    /// # Errors
    /// A layer that has never been stored, by its name.
    pub fn with_manifest(self, family: Family) -> Result<Self, ManifestError> {
        self.0.with_manifest(family).map(Self)
    }

    /// Returns the image, to change it: the caller has to verify or build it again.
    pub fn into_image(self) -> Image {
        self.0
    }
}

impl Deref for Outgoing {
    type Target = Image;

    fn deref(&self) -> &Image {
        &self.0
    }
}
