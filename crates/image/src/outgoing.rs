//! Images that may be written. A sink takes no other, so that an image which was only read gets nowhere.

use std::ops::Deref;

use crate::{Family, Image, Layer, ManifestError};

/// An image that may be written: it was built of what was verified, or nobody gave a key to verify it with.
#[derive(Clone)]
pub struct Outgoing(Image);

/// States that nobody gave a key, so that there is nothing to hold an image to.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys(());

impl NoKeys {
    /// States it. The caller has looked at every key that the user could give.
    pub fn given() -> Self {
        Self(())
    }
}

impl Outgoing {
    /// Takes an image of which every part was made here or was verified.
    pub fn built(image: Image) -> Self {
        Self(image)
    }

    /// Takes an image as it was read, to pass it on byte for byte.
    pub fn as_read(image: Image, _: NoKeys) -> Self {
        Self(image)
    }

    /// Returns the same image with the same `layers` from where they are now.
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

    /// Returns the image, to change it: it has to be verified or built again.
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
