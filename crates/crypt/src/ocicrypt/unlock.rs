//! Unlocking: all keys of an image, held to what is sealed beside them, before any layer is touched.

use sealcrate_image::{Config, Descriptor, DiffId, Digest, Image, Manifest};
use zeroize::Zeroizing;

use super::annotations::Protection;
use super::keyring::Keyring;
use super::options::{PrivateOptions, SealedBinding};
use super::{DecryptError, Identity, Unbound};

/// An image whose keys are all there, and which is not tampered with as far as they tell.
pub(super) struct Unlocked {
    /// The manifest.
    pub(super) manifest: Manifest,
    /// What it says of each layer's encryption.
    pub(super) protection: Protection,
    /// Each encrypted layer's key, lowest first.
    pub(super) keys: Vec<Option<UnlockedKey>>,
    /// Each layer's diff ID.
    pub(super) diff_ids: Vec<DiffId>,
    /// Each layer's digest before encryption, where the image is bound.
    pub(super) digests: Option<Vec<Digest>>,
}

/// What was wrapped of a layer.
pub(super) struct UnlockedKey {
    /// The bytes.
    pub(super) content: Zeroizing<Vec<u8>>,
    /// What they say.
    pub(super) options: PrivateOptions,
}

/// Opens the keys of `image` with `identities`; `None` if nothing in it is encrypted.
///
/// # Errors
/// Those of [`decrypt`](super::decrypt).
pub(super) fn unlock(
    image: &Image,
    identities: &[Identity],
    unbound: Unbound,
) -> Result<Option<Unlocked>, DecryptError> {
    let Some(raw) = &image.manifest else { return Ok(None) };
    let manifest = Manifest::parse(raw)?;
    let protection = Protection::of(&manifest)?;
    if !protection.is_any() {
        return Ok(None);
    }
    let diff_ids = Config::parse(&image.config)?.diff_ids().to_vec();
    if diff_ids.len() != manifest.layers.len() || image.layers.len() != manifest.layers.len() {
        let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
        return Err(DecryptError::LayerCount { diff_ids, layers });
    }
    let mut keyring = Keyring::new(identities);
    let mut keys = Vec::with_capacity(protection.layers.len());
    for (encryption, descriptor) in protection.layers.iter().zip(&manifest.layers) {
        let Some(encryption) = encryption else {
            keys.push(None);
            continue;
        };
        let layer = descriptor.digest.short();
        let content = keyring.open(encryption, &layer)?;
        let options = PrivateOptions::parse(&content)
            .map_err(|source| DecryptError::Options { layer, source })?;
        keys.push(Some(UnlockedKey { content, options }));
    }
    let digests = sealed_digests(image.id(), &manifest.layers, &keys, &diff_ids)?;
    if digests.is_none() && unbound == Unbound::Refuse {
        return Err(DecryptError::NotBound);
    }
    Ok(Some(Unlocked { manifest, protection, keys, diff_ids, digests }))
}

/// Holds the image to what is sealed beside its layers' keys, and returns the digests that its layers
/// have before encryption, or `None` if nothing is sealed.
fn sealed_digests(
    config: Digest,
    layers: &[Descriptor],
    keys: &[Option<UnlockedKey>],
    diff_ids: &[DiffId],
) -> Result<Option<Vec<Digest>>, DecryptError> {
    if keys.iter().flatten().all(|key| key.options.binding.is_none()) {
        return Ok(None);
    }
    let mut digests = Vec::with_capacity(layers.len());
    for (layer, key) in layers.iter().zip(keys) {
        digests.push(match key {
            None => layer.digest,
            Some(key) => {
                key.options.digest.ok_or_else(|| DecryptError::Tampered(layer.digest.short()))?
            }
        });
    }
    for (i, key) in keys.iter().enumerate() {
        let Some(UnlockedKey { options, .. }) = key else { continue };
        let expected = SealedBinding::new(config, diff_ids[i], i, &digests);
        if options.binding.as_ref() != Some(&expected) {
            return Err(DecryptError::Tampered(layers[i].digest.short()));
        }
    }
    Ok(Some(digests))
}
