//! Decryption of an image. It decrypts the config first, which proves the passphrase, and the
//! layers while the caller reads them.

use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{
    Config, ConfigError, Content, Descriptor, DiffId, Digest, Image, Layer, Manifest,
    ManifestError, MediaType, Outgoing, Platform,
};
use thiserror::Error;

use super::config::{self, Seal, SealedConfigError, SealedLayer};
use super::kdf::DataKey;
use super::{KdfError, KeyData, KeyDataError, KeyDataShape, KeyDerivation};
use crate::Unencrypted;
use crate::crypto_cli::dare::{self, DareError, DareReader};
use crate::format::{Opened, StatedDigests};
use crate::sealed::{SealedRecord, Unbound};

/// The encryption of an image as its descriptors describe it, which nothing authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKeys {
    /// The config's key data, if it is encrypted.
    pub config: Option<KeyData>,
    /// Each layer's key data, lowest first.
    pub layers: Vec<Option<KeyData>>,
    /// The shape of the first key data.
    pub shape: Option<KeyDataShape>,
}

impl WrappedKeys {
    /// Reads the key data of every descriptor of a manifest.
    ///
    /// # Errors
    /// Some key data is malformed.
    pub fn of(manifest: &Manifest) -> Result<Self, KeyDataError> {
        let mut shape = None;
        let mut read = |descriptor: &Descriptor| {
            Ok(KeyData::of(descriptor)?.map(|(data, found)| {
                shape.get_or_insert(found);
                data
            }))
        };
        let config = read(&manifest.config)?;
        let layers = manifest.layers.iter().map(read).collect::<Result<_, KeyDataError>>()?;
        Ok(Self { config, layers, shape })
    }

    /// Tells whether anything is encrypted.
    pub fn is_any(&self) -> bool {
        self.config.is_some() || self.layers.iter().any(Option::is_some)
    }
}

/// Decrypts `image`, which came from a registry or layout, with the keys that `kdf` derives.
///
/// Layers are held to their diff IDs, and to their digests where these are sealed, too. The manifest is
/// the one from before encryption, if the record has it, and the remarks come from the record. If
/// nothing of the image was encrypted, the manifest stays.
///
/// # Errors
/// [`DecryptError::WrongPassphrase`] before any other key is unwrapped. The image or config is not
/// encrypted, and `unencrypted` does not accept that; or nothing binds the image, and `unbound`
/// does not accept that. A part is damaged or contradicts another.
pub fn decrypt(
    image: &Image,
    kdf: &mut KeyDerivation,
    unencrypted: Unencrypted,
    unbound: Unbound,
) -> Result<Opened, DecryptError> {
    let mut opened = Unlocked::of(image, kdf, unencrypted, unbound)?;
    if !opened.is_encrypted {
        let layers = image.layers.iter().zip(&opened.layers);
        let layers = layers.map(|(layer, of)| layer.with_diff_id(of.diff_id)).collect();
        // An image whose bytes did not change keeps its manifest.
        let image = Outgoing::built(Image { layers, ..image.clone() });
        return Ok(Opened::unchanged(image));
    }
    let mut layers = Vec::with_capacity(image.layers.len());
    let keys = std::mem::take(&mut opened.layers);
    for (place, (stored, of_layer)) in image.layers.iter().zip(keys).enumerate() {
        layers.push(opened.layer(place, stored, of_layer)?);
    }
    let binding = opened.seal.binding();
    let mut image = Image::new(opened.config, layers);
    let record = match opened.seal {
        Seal::Record(record) => Some(record),
        Seal::Version1(_) | Seal::Unsealed(_) => None,
    };
    if let Some(record) = &record {
        let manifest = record.manifest();
        image.manifest = manifest.map_err(|_| DecryptError::Contradiction("manifest"))?;
        image.remarks = record.remarks.clone();
    }
    Ok(Opened { image: Outgoing::built(image), binding, record, stated: StatedDigests::default() })
}

/// An image whose config was decrypted, and whose data keys were unwrapped.
pub(super) struct Unlocked {
    /// The config from before encryption.
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<LayerKey>,
    pub(super) seal: Seal,
    platform: Option<Platform>,
    is_encrypted: bool,
}

/// A layer's diff ID, digest and key, from the config and the key data.
pub(super) struct LayerKey {
    pub(super) diff_id: DiffId,
    /// The digest of the gzipped layer before encryption, if it is sealed.
    pub(super) digest: Option<Digest>,
    /// The data key, or `None` for a layer in clear.
    pub(super) key: Option<DataKey>,
}

impl Unlocked {
    pub(super) fn of(
        image: &Image,
        kdf: &mut KeyDerivation,
        unencrypted: Unencrypted,
        unbound: Unbound,
    ) -> Result<Self, DecryptError> {
        let Some(raw) = &image.manifest else { return Err(DecryptError::NotEncrypted) };
        let manifest = Manifest::parse(raw)?;
        let wrapped_keys = WrappedKeys::of(&manifest)?;
        let config::Opened { config, seal } = open_config(image, &wrapped_keys, kdf, unencrypted)?;
        if !seal.binding().is_taken(unbound) {
            return Err(DecryptError::NotBound);
        }
        let parsed = Config::parse(&config)?;
        let (diff_ids, platform) = (parsed.diff_ids(), parsed.platform());
        if diff_ids.len() != image.layers.len() {
            let (diff_ids, layers) = (diff_ids.len(), image.layers.len());
            return Err(DecryptError::LayerCount { diff_ids, layers });
        }
        let sealed = match &seal {
            Seal::Unsealed(_) => None,
            Seal::Version1(sealed) => sealed.clone(),
            Seal::Record(record) => {
                check_record(record, &manifest, &wrapped_keys, diff_ids)?;
                Some(sealed_layers(record))
            }
        };
        if let Some(sealed) = &sealed {
            check_blobs(image, sealed)?;
        }
        let mut layers = Vec::with_capacity(image.layers.len());
        let stored = image.layers.iter().zip(&wrapped_keys.layers).zip(diff_ids).enumerate();
        for (place, ((layer, data), &diff_id)) in stored {
            let digest = sealed.as_ref().and_then(|sealed| sealed.get(place)?.layer);
            let key = match data {
                None if digest.is_some() && digest != layer.digest() => {
                    return Err(DecryptError::LayerNotEncrypted(layer.name()));
                }
                None => None,
                Some(data) => match (kdf.unwrap_key(data)?, &wrapped_keys.config) {
                    (Some(key), _) => Some(key),
                    // The config has proven that the passphrase is right.
                    (None, Some(_)) => return Err(DecryptError::LayerKey(layer.name())),
                    (None, None) => return Err(DecryptError::WrongPassphrase),
                },
            };
            layers.push(LayerKey { diff_id, digest, key });
        }
        Ok(Self { config, layers, seal, platform, is_encrypted: wrapped_keys.is_any() })
    }

    /// Returns the sealed record, if there is one.
    pub(super) fn record(&self) -> Option<&SealedRecord> {
        match &self.seal {
            Seal::Record(record) => Some(record),
            Seal::Version1(_) | Seal::Unsealed(_) => None,
        }
    }

    /// Returns the platform that the decrypted config names.
    pub(super) fn platform(&self) -> Option<Platform> {
        self.platform.clone()
    }

    /// Tells whether the config seals which blobs the layers are.
    pub(super) fn is_bound(&self) -> bool {
        !matches!(self.seal, Seal::Unsealed(_) | Seal::Version1(None))
    }

    /// Returns the layer at `place` in clear. A layer with a key is decrypted while somebody reads
    /// it. The layer gets the record's annotations, and no other members of the stored descriptor.
    fn layer(
        &self,
        place: usize,
        stored: &Layer,
        LayerKey { diff_id, digest, key }: LayerKey,
    ) -> Result<Layer, DecryptError> {
        let annotations = self.record().map(|record| record.layers[place].annotations.clone());
        let described = |media_type, digest, size| {
            let mut descriptor = Descriptor::new(media_type, digest, size);
            descriptor.annotations = annotations.unwrap_or_default();
            descriptor
        };
        let gzip = MediaType::DOCKER_LAYER_GZIP;
        Ok(match (key, stored.digest(), digest) {
            (None, Some(blob), digest) => {
                let descriptor = described(stored.media_type().clone(), blob, stored.size());
                match digest {
                    Some(_) => Layer::bound(descriptor, diff_id, stored.content().clone()),
                    None => Layer::stored(descriptor, Some(diff_id), stored.content().clone()),
                }
            }
            (None, None, _) => stored.with_diff_id(diff_id),
            (Some(key), _, digest) => {
                let size = dare::plaintext_len(stored.size())?;
                let content = Arc::new(DareContent { stored: stored.clone(), key });
                match digest {
                    Some(digest) => Layer::bound(described(gzip, digest, size), diff_id, content),
                    None => Layer::decrypted(gzip, size, diff_id, content),
                }
            }
        })
    }
}

/// Opens the config of `image`, which proves the passphrase.
fn open_config(
    image: &Image,
    wrapped_keys: &WrappedKeys,
    kdf: &mut KeyDerivation,
    unencrypted: Unencrypted,
) -> Result<config::Opened, DecryptError> {
    match (&wrapped_keys.config, unencrypted) {
        (Some(data), _) => {
            let key = kdf.unwrap_key(data)?.ok_or(DecryptError::WrongPassphrase)?;
            Ok(config::open(&image.config, &key, data)?)
        }
        (None, Unencrypted::Accept) => Ok(config::Opened::in_clear(image.config.clone())),
        (None, Unencrypted::Refuse) if wrapped_keys.is_any() => {
            Err(DecryptError::ConfigNotEncrypted)
        }
        (None, Unencrypted::Refuse) => Err(DecryptError::NotEncrypted),
    }
}

/// Holds the image to its record, member by member.
fn check_record(
    record: &SealedRecord,
    manifest: &Manifest,
    wrapped_keys: &WrappedKeys,
    diff_ids: &[DiffId],
) -> Result<(), DecryptError> {
    if record.layers.len() != manifest.layers.len() {
        return Err(DecryptError::OtherBlobs);
    }
    for (i, sealed) in record.layers.iter().enumerate() {
        if !sealed.stored.is_named_by(&manifest.layers[i]) {
            return Err(DecryptError::OtherBlobs);
        }
        if sealed.plain.is_some() != wrapped_keys.layers[i].is_some() {
            return Err(DecryptError::LayerNotEncrypted(manifest.layers[i].digest.short()));
        }
        // Before encryption, the format has no other type.
        let gzip = MediaType::DOCKER_LAYER_GZIP;
        let is_gzip = sealed.plain.as_ref().is_none_or(|plain| plain.media_type == gzip);
        if !is_gzip || sealed.diff_id != Some(diff_ids[i]) {
            return Err(DecryptError::Contradiction("list of layers"));
        }
    }
    Ok(())
}

/// Returns the layers of the record in the form of version 1.
fn sealed_layers(record: &SealedRecord) -> Vec<SealedLayer> {
    let sealed = record.layers.iter().map(|layer| SealedLayer {
        blob: layer.stored.digest,
        layer: layer.plain.as_ref().map_or(Some(layer.stored.digest), |plain| plain.digest),
    });
    sealed.collect()
}

/// Checks that the layers of `image` are the blobs that its config seals.
fn check_blobs(image: &Image, sealed: &[SealedLayer]) -> Result<(), DecryptError> {
    let stored = image.layers.iter().map(Layer::digest);
    let is_same = stored.eq(sealed.iter().map(|layer| Some(layer.blob)));
    if is_same { Ok(()) } else { Err(DecryptError::OtherBlobs) }
}

/// The plaintext of an encrypted layer.
struct DareContent {
    stored: Layer,
    key: DataKey,
}

impl Content for DareContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        // Only the digest is checked here. A diff ID that a config in clear stated would not fit
        // encrypted bytes.
        let reader = DareReader::new(self.stored.open_stored()?, &self.key);
        Ok(Box::new(NamingReader { reader, layer: self.stored.name() }))
    }
}

/// Adds the layer's name to the error about damaged data.
struct NamingReader<R> {
    reader: R,
    layer: String,
}

impl<R: Read> Read for NamingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<DareError>()) {
                Some(&source) => {
                    let damage = LayerDamage { layer: self.layer.clone(), source };
                    io::Error::new(error.kind(), damage)
                }
                None => error,
            }
        })
    }
}

/// Says that an encrypted layer is damaged. It travels inside an [`io::Error`].
#[derive(Debug, Error)]
#[error("cannot decrypt layer {layer}")]
struct LayerDamage {
    layer: String,
    source: DareError,
}

/// Why an image cannot be decrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The decrypted config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Layers are encrypted, but the config that authenticates them is not.
    #[error("the image's layers are encrypted, but its config is not")]
    ConfigNotEncrypted,
    /// The named part of the image contradicts the record.
    #[error("the image was tampered with: its {0} is not the sealed one")]
    Contradiction(&'static str),
    /// A blob has a length that no encrypted blob has.
    #[error("{0}")]
    Dare(#[from] DareError),
    /// The key derivation would cost too much.
    #[error("{0}")]
    Kdf(#[from] KdfError),
    /// A descriptor's key data cannot be read.
    #[error("{0}")]
    KeyData(#[from] KeyDataError),
    /// The manifest has other layers than the encrypted config.
    #[error(
        "the image was tampered with: the encrypted config names {diff_ids} layers, the manifest {layers}"
    )]
    LayerCount {
        /// How many the config names.
        diff_ids: usize,
        /// How many the manifest has.
        layers: usize,
    },
    /// A layer's key is not under the passphrase that opened the config.
    #[error("the image was tampered with: the passphrase opens its config, but not layer {0}")]
    LayerKey(String),
    /// The manifest has a layer in clear that was pushed encrypted.
    #[error("the image was tampered with: layer {0} was pushed encrypted, and is said not to be")]
    LayerNotEncrypted(String),
    /// The manifest cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// Nothing binds the layers to each other and to the config.
    #[error("nothing binds the image's layers to each other and to its config")]
    NotBound,
    /// Nothing in the image is encrypted.
    #[error("the image is not encrypted")]
    NotEncrypted,
    /// The layers are other blobs than the pushed ones.
    #[error(
        "the image was tampered with: its layers are not those that its encrypted config names"
    )]
    OtherBlobs,
    /// The config is damaged or was tampered with.
    #[error("{0}")]
    SealedConfig(#[from] SealedConfigError),
    /// The image was encrypted under another passphrase.
    #[error("wrong passphrase")]
    WrongPassphrase,
}

impl Classified for DecryptError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::ConfigNotEncrypted | Self::NotEncrypted => Some(ErrorClass::NotEncrypted),
            Self::WrongPassphrase => Some(ErrorClass::Key),
            Self::Contradiction(_)
            | Self::LayerCount { .. }
            | Self::LayerKey(_)
            | Self::LayerNotEncrypted(_)
            | Self::NotBound
            | Self::OtherBlobs => Some(ErrorClass::Damaged),
            Self::Config(_)
            | Self::Dare(_)
            | Self::Kdf(_)
            | Self::KeyData(_)
            | Self::Manifest(_)
            | Self::SealedConfig(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use sealcrate_image::Family;

    use super::*;
    use crate::sealed::scene;

    /// An image, and the facts that a reader compares with its record.
    struct Scene {
        record: SealedRecord,
        manifest: Manifest,
        wrapped_keys: WrappedKeys,
        diff_ids: Vec<DiffId>,
    }

    impl Scene {
        fn new() -> Self {
            let scene::Scene { record, manifest, diff_ids } =
                scene::Scene::new(Family::Docker, MediaType::DOCKER_LAYER_GZIP);
            let key =
                KeyData { nonce: [1; 12], salt: [2; 16], iterations: 1, wrapped_key: [0; 48] };
            let shape = Some(KeyDataShape::Member);
            let wrapped_keys = WrappedKeys { config: None, layers: vec![None, Some(key)], shape };
            Self { record, manifest, wrapped_keys, diff_ids }
        }

        fn check(&self) -> Result<(), DecryptError> {
            check_record(&self.record, &self.manifest, &self.wrapped_keys, &self.diff_ids)
        }

        /// Returns the error after a change.
        fn refused(change: impl FnOnce(&mut Self)) -> DecryptError {
            let mut scene = Self::new();
            scene.check().unwrap();
            change(&mut scene);
            scene.check().unwrap_err()
        }
    }

    #[test]
    fn every_part_of_the_record_is_compared() {
        let other_blobs = |change: fn(&mut Scene)| {
            assert!(matches!(Scene::refused(change), DecryptError::OtherBlobs));
        };
        other_blobs(|scene| drop(scene.record.layers.pop()));
        other_blobs(|scene| scene.manifest.layers[0].digest = Digest::of(b"other"));
        other_blobs(|scene| scene.manifest.layers[1].size += 1);
        other_blobs(|scene| scene.manifest.layers[0].media_type = MediaType::OCI_LAYER_GZIP);
        for place in [0, 1] {
            let error = Scene::refused(|scene| {
                let other = scene.wrapped_keys.layers[1 - place].clone();
                scene.wrapped_keys.layers[place] = other;
            });
            assert!(matches!(error, DecryptError::LayerNotEncrypted(_)), "{error}");
        }
        let changes: [fn(&mut Scene); 3] = [
            |scene| scene.diff_ids.swap(0, 1),
            |scene| scene.record.layers[1].diff_id = scene.record.layers[0].diff_id,
            |scene| {
                let plain = scene.record.layers[1].plain.as_mut().unwrap();
                plain.media_type = MediaType::OCI_LAYER_GZIP;
            },
        ];
        for change in changes {
            let error = Scene::refused(change);
            assert!(matches!(error, DecryptError::Contradiction("list of layers")), "{error}");
        }
    }
}
