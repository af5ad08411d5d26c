//! Rewrapping: another passphrase for the keys that an image has, without a look at its layers.

use sealcrate_image::{Config, Descriptor, Image, Layer, Manifest};
use thiserror::Error;

use super::config;
use super::{DecryptError, EncryptError, FreshKey, KeyDataShape, KeyDerivation, Protection};
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
    let protection = Protection::of(&manifest).map_err(DecryptError::from)?;
    let Some(data) = &protection.config else {
        let is_any = protection.is_any();
        let error =
            if is_any { DecryptError::ConfigNotEncrypted } else { DecryptError::NotEncrypted };
        return Err(error.into());
    };
    let config_key = kdf.unwrap_key(data).map_err(DecryptError::from)?;
    let config_key = config_key.ok_or(DecryptError::WrongPassphrase)?;
    let config = config::open(&image.config, &config_key, data).map_err(DecryptError::from)?.config;
    let diff_ids = Config::parse(&config).map_err(DecryptError::from)?.diff_ids().len();
    if diff_ids != image.layers.len() {
        let layers = image.layers.len();
        return Err(DecryptError::LayerCount { diff_ids, layers }.into());
    }
    let shape = protection.shape.unwrap_or(KeyDataShape::Member);
    let mut layers = Vec::with_capacity(image.layers.len());
    for ((layer, data), descriptor) in
        image.layers.iter().zip(&protection.layers).zip(&manifest.layers)
    {
        let Some(data) = data else {
            layers.push(layer.clone());
            continue;
        };
        let layer_key = kdf
            .unwrap_key(data)
            .map_err(DecryptError::from)?
            .ok_or_else(|| DecryptError::LayerKey(layer.name()))?;
        let Descriptor { media_type, digest, size, .. } = descriptor;
        let mut descriptor = Descriptor::new(media_type.clone(), *digest, *size);
        let nonce = random().map_err(EncryptError::from)?;
        key.key_data(&layer_key, nonce).put(&mut descriptor, shape);
        layers.push(Layer::stored(descriptor, None, layer.content().clone()));
    }
    Ok(key.image(&config, layers, shape)?)
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
