//! The seam between formats and their callers: the traits that a format implements, and the values that
//! callers hand over and get back.
//!
//! [`Format`] recognises an image. An [`EncryptedImage`] is opened with [`Keys`], under [`Terms`], or
//! rewrapped to [`NewReaders`]. [`Encryption`] makes an [`ImageEncryptor`] for each image that is
//! encrypted. [`formats`](crate::formats) lists the formats, and tries them one after the other.

mod encrypted_image;
mod encryption;
mod error;
mod keys;
mod new_readers;
mod pending;
mod stated_digests;
mod terms;

use sealcrate_image::Image;

pub use encrypted_image::{EncryptedImage, KeyFacts, OpenKeys, Opened, Rewrapped};
pub use encryption::{EarlierImage, EarlierPush, Encryption, ImageEncryptor};
pub use error::FormatError;
pub use keys::{Keys, WrongKind};
pub use new_readers::NewReaders;
pub use pending::Pending;
pub(crate) use stated_digests::StatedContent;
pub use stated_digests::StatedDigests;
pub use terms::Terms;

/// A format of encrypted images.
pub trait Format: Sync {
    /// Returns the name of the format, as people type it.
    fn name(&self) -> &'static str;

    /// Tells whether any part of an image is marked as encrypted in this format. The image need not have
    /// a manifest.
    ///
    /// # Errors
    /// A mark is malformed.
    fn marks(&self, image: &Image) -> Result<bool, FormatError>;

    /// Recognises an image by its manifest. Returns `None` if no part of the image is encrypted in this
    /// format. Nothing that the manifest says is authenticated yet.
    ///
    /// # Errors
    /// The manifest, or a mark in it, is malformed.
    fn recognise(&self, image: &Image) -> Result<Option<Box<dyn EncryptedImage>>, FormatError>;
}
