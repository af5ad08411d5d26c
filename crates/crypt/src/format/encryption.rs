//! Encrypting images: the keys that they are encrypted to, and the steps for one image.

use std::collections::BTreeSet;

use sealcrate_image::{
    Compression, Compressor, DiffId, Image, Layer, Outgoing, Platform, Progress, Spool,
};

use super::{FormatError, Pending};
use crate::Passphrase;
use crate::pushed::{Pushed, PushedLayer, Readers};
use crate::sealed::{ImageIdentity, Sealing};
use crate::select::Chosen;

/// The keys that images are encrypted to, in one format: once for all images of an index.
pub trait Encryption {
    /// Returns the compression for layers that are not compressed yet.
    fn compression(&self) -> Compression;

    /// Returns the passphrase, if images are encrypted under one.
    fn passphrase(&self) -> Option<&Passphrase>;

    /// Begins to work out which readers the images will have. `salt` tells passphrases apart. Returns
    /// `None` if a later push could not recognise the readers.
    fn readers(&self, salt: &[u8; 16]) -> Option<Pending<Readers>>;

    /// Tells whether [`earlier`](Self::earlier) can find layers in images that were pushed before.
    fn finds_earlier_layers(&self) -> bool {
        false
    }

    /// Opens an image that was pushed before, to use its layers again.
    ///
    /// # Errors
    /// A part of the image is damaged, or contradicts another one.
    fn earlier(&self, _image: &Image) -> Result<EarlierPush, FormatError> {
        Ok(EarlierPush::Unbound)
    }

    /// Prepares to encrypt the chosen layers of an image.
    ///
    /// # Errors
    /// The image cannot be encrypted in this format; the keys cannot be derived.
    fn encryptor(
        &self,
        image: &Image,
        chosen: Chosen,
    ) -> Result<Box<dyn ImageEncryptor>, FormatError>;
}

/// An image that was pushed before, as [`Encryption::earlier`] finds it.
pub enum EarlierPush {
    /// The image is authentic.
    Image(EarlierImage),
    /// Nothing binds the image's layers to its config.
    Unbound,
    /// Somebody else encrypted the image, or nobody did. The error says why it does not open.
    OfOthers(FormatError),
}

/// An authentic image that was pushed before.
pub struct EarlierImage {
    /// Its layers, lowest first.
    pub layers: Vec<PushedLayer>,
    /// Its config, from before encryption.
    pub config: Vec<u8>,
}

/// Encrypts the chosen layers of one image: first each layer, then all of it.
///
/// Each layer has a fresh data key. A layer that was pushed before and stays as it is keeps its data
/// key: the encryptor wraps that key again, and encrypts nothing with it.
pub trait ImageEncryptor: Send + Sync {
    /// Returns the places of the layers that will be encrypted, lowest first from 0.
    fn places(&self) -> &BTreeSet<usize>;

    /// Tells whether the config is encrypted as well.
    fn encrypts_config(&self) -> bool;

    /// Takes layers that were pushed before, to push them again as they are.
    fn reuse(&mut self, pushed: Pushed);

    /// Returns the layers that were pushed before.
    fn reusable(&self) -> &Pushed;

    /// Returns `layer`, which is at `place`, as it was pushed before. Returns `None` if it was not, or
    /// not in a form that this encryptor can use.
    ///
    /// # Errors
    /// The system gives no random bytes.
    fn reused(&self, place: usize, layer: &Layer) -> Result<Option<Layer>, FormatError>;

    /// Returns the layer at `place` as a registry stores it: compressed, and encrypted if it was
    /// chosen. The encryptor keeps no bytes outside `spool`.
    ///
    /// # Errors
    /// Reading the layer fails, or the layer is damaged; the spool fails.
    fn layer(
        &self,
        place: usize,
        layer: &Layer,
        compressor: &Compressor,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Layer, FormatError>;

    /// Returns the identity that the image gets in an index which names `platform` for it. `layers`
    /// come from [`layer`](Self::layer).
    fn identity(&self, platform: Option<&Platform>, layers: &[Layer]) -> ImageIdentity;

    /// Returns the encrypted image of `layers`, which [`layer`](Self::layer) made, lowest first.
    ///
    /// # Errors
    /// A key cannot be wrapped; a document becomes too large; the system gives no random bytes.
    fn finish(&self, layers: Vec<Layer>, sealing: &Sealing) -> Result<Outgoing, FormatError>;

    /// Returns the layers of `encrypted`, which [`finish`](Self::finish) made, for another push to use
    /// again.
    fn pushed(&self, encrypted: &Image) -> Vec<PushedLayer>;

    /// Tells whether the layer at `place` will be encrypted.
    fn encrypts(&self, place: usize) -> bool {
        self.places().contains(&place)
    }

    /// Returns the diff IDs of the layers of `image` that were `pushed` in clear and are chosen now, or
    /// the other way round.
    fn changed(&self, pushed: &Pushed, image: &Image) -> Vec<DiffId> {
        pushed.changed(image, self.places())
    }
}
