//! Rewrapping: another passphrase for the keys that an image has, without a look at its layers.

use sealcrate_image::{Descriptor, Image, Layer, Manifest};
use thiserror::Error;

use super::decrypt::Opened;
use super::{DecryptError, EncryptError, FreshKey, KeyDataShape, KeyDerivation, Protection};
use crate::Unencrypted;
use crate::random::random;

/// Returns `image`, which what `kdf` derives opens, with its layers' keys wrapped under `key` and its
/// config encrypted anew. Layers stay, and so do their keys: whoever had them still has them.
///
/// # Errors
/// Those of [`decrypt`](super::decrypt), and of [`Encryptor`](super::Encryptor).
pub fn rewrap(
    image: &Image,
    kdf: &mut KeyDerivation,
    key: &FreshKey,
) -> Result<Image, RewrapError> {
    let Some(raw) = &image.manifest else { return Err(DecryptError::NotEncrypted.into()) };
    let manifest = Manifest::parse(raw).map_err(DecryptError::from)?;
    let opened = Opened::of(image, kdf, Unencrypted::Refuse)?;
    let shape = Protection::of(&manifest).map_err(DecryptError::from)?.shape;
    let shape = shape.unwrap_or(KeyDataShape::Member);
    let mut layers = Vec::with_capacity(image.layers.len());
    let mut digests = Vec::with_capacity(image.layers.len());
    for ((layer, of_layer), descriptor) in
        image.layers.iter().zip(opened.layers).zip(&manifest.layers)
    {
        digests.push(of_layer.digest);
        let Some(layer_key) = of_layer.key else {
            layers.push(layer.clone());
            continue;
        };
        let Descriptor { media_type, digest, size, .. } = descriptor;
        let mut descriptor = Descriptor::new(media_type.clone(), *digest, *size);
        let nonce = random().map_err(EncryptError::from)?;
        key.key_data(&layer_key, nonce).put(&mut descriptor, shape);
        layers.push(Layer::stored(descriptor, None, layer.content().clone()));
    }
    Ok(key.image(&opened.config, layers, |place, _| digests[place], shape)?)
}

/// Why an image's keys cannot be wrapped under another passphrase.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The keys cannot be opened.
    #[error("{0}")]
    Decrypt(#[from] DecryptError),
    /// They cannot be wrapped.
    #[error("{0}")]
    Encrypt(#[from] EncryptError),
}
