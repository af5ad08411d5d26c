//! Rewrapping puts the keys of an image under another passphrase, and does not read its layers.

use std::collections::BTreeMap;

use sealcrate_image::{Descriptor, Image, Layer, Manifest, MediaType, Outgoing, Platform};

use super::config::{self, Seal, UnsealedConfig};
use super::decrypt::{LayerKey, Unlocked};
use super::{DecryptError, EncryptError, FreshKey, KeyDataShape, KeyDerivation, WrappedKeys};
use crate::Unencrypted;
use crate::random::random;
use crate::sealed::{
    Binding, ImageIdentity, PlainLayer, SealedBlob, SealedLayer, SealedRecord, Sealing,
    SourceRemarks, Unbound,
};

/// An image whose keys are open, and can be wrapped under another passphrase.
///
/// Layers stay the same, and so do their data keys: former readers who kept a key can still use it.
pub struct Rewrapping {
    opened: Unlocked,
    manifest: Manifest,
    layers: Vec<Layer>,
    shape: KeyDataShape,
}

impl Rewrapping {
    /// Opens `image` with the keys that `kdf` derives, and holds the image to its sealed record or
    /// config.
    ///
    /// # Errors
    /// The errors of [`decrypt`](super::decrypt).
    pub fn open(
        image: &Image,
        kdf: &mut KeyDerivation,
        unbound: Unbound,
    ) -> Result<Self, DecryptError> {
        let raw = image.manifest.as_ref().ok_or(DecryptError::NotEncrypted)?;
        let manifest = Manifest::parse(raw)?;
        let opened = Unlocked::of(image, kdf, Unencrypted::Refuse, unbound)?;
        if matches!(opened.seal, Seal::Version1(None)) {
            // Nobody has sealed these layers, so a new record would vouch for layers that anybody
            // may have put there.
            return Err(DecryptError::NotBound);
        }
        let shape = WrappedKeys::of(&manifest)?.shape.unwrap_or(KeyDataShape::Member);
        Ok(Self { opened, manifest, layers: image.layers.clone(), shape })
    }

    /// Returns the binding that holds the image together.
    pub fn binding(&self) -> Binding {
        self.opened.seal.binding()
    }

    /// Returns the sealed record, if there is one.
    pub fn record(&self) -> Option<&SealedRecord> {
        self.opened.record()
    }

    /// Returns the identity of the image in an index that names `platform` for it.
    pub fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        let layers = self.manifest.layers.iter().map(|layer| layer.digest);
        ImageIdentity::of(platform, None, layers)
    }

    /// Returns the platform that the decrypted config names.
    pub fn platform(&self) -> Option<Platform> {
        self.opened.platform()
    }

    /// Wraps the layers' keys under `key`, and encrypts the config anew. The parts of `sealing`
    /// that there are replace the record's own. An image without a record gets one. An image of
    /// another tool gets none, since nobody knows whether it is still as that tool wrote it.
    ///
    /// # Errors
    /// The errors of [`Encryptor`](super::Encryptor).
    pub fn finish(self, key: &FreshKey, sealing: &Sealing) -> Result<Outgoing, EncryptError> {
        let Self { opened, manifest, layers: stored, shape } = self;
        let platform = opened.platform();
        let Unlocked { config, layers: keys, seal, .. } = opened;
        let sealed = match seal {
            Seal::Unsealed(unsealed) => NewSeal::Unsealed(unsealed),
            Seal::Record(mut record) => {
                record.home = sealing.home.clone().or(record.home);
                record.index = sealing.table.clone().or(record.index);
                NewSeal::Record(record)
            }
            Seal::Version1(_) => {
                let source = SourceRemarks::without(platform);
                let config = SealedBlob::of(&Descriptor::of(MediaType::DOCKER_CONFIG, &config));
                let layers = sealed_layers(&manifest, &keys);
                NewSeal::Record(Box::new(SealedRecord::new(config, layers, &source, sealing)))
            }
        };
        let mut layers = Vec::with_capacity(stored.len());
        for ((layer, of_layer), descriptor) in stored.iter().zip(keys).zip(&manifest.layers) {
            let Descriptor { digest, size, .. } = descriptor;
            let mut descriptor = Descriptor::new(MediaType::DOCKER_LAYER_GZIP, *digest, *size);
            if let Some(layer_key) = of_layer.key {
                key.key_data(&layer_key, random()?).put(&mut descriptor, shape);
            }
            layers.push(Layer::stored(descriptor, layer.diff_id(), layer.content().clone()));
        }
        key.image(layers, shape, |under| match &sealed {
            NewSeal::Unsealed(unsealed) => config::encrypt_again(unsealed, under),
            NewSeal::Record(record) => config::seal(&config, record, under),
        })
    }
}

/// The way to encrypt the config again.
enum NewSeal {
    /// As another tool left it.
    Unsealed(UnsealedConfig),
    /// Sealed with a record.
    Record(Box<SealedRecord>),
}

/// Returns the layers for the record of an image that has none yet.
fn sealed_layers(manifest: &Manifest, keys: &[LayerKey]) -> Vec<SealedLayer> {
    let sealed = manifest.layers.iter().zip(keys).map(|(stored, of_layer)| SealedLayer {
        // The format has no other type, and version 1 sealed none.
        stored: SealedBlob { media_type: MediaType::DOCKER_LAYER_GZIP, ..SealedBlob::of(stored) },
        plain: of_layer.key.as_ref().map(|_| PlainLayer {
            media_type: MediaType::DOCKER_LAYER_GZIP,
            digest: of_layer.digest,
        }),
        diff_id: Some(of_layer.diff_id),
        annotations: BTreeMap::new(),
    });
    sealed.collect()
}
