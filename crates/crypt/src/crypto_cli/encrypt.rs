//! Encryption of an image: layer by layer, then the config, then the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{
    Compression, Compressor, Config, ConfigError, Descriptor, DiffId, Digest, Family, Image, Layer,
    MAX_CONFIG_BYTES, Manifest, MediaType, Meter, MeteredReader, Outgoing, Platform, Progress,
    Spool, Stage,
};
use thiserror::Error;

use super::config::{self, SealedConfigError, Under};
use super::kdf::{DataKey, KeyEncryptionKey};
use super::{KeyData, KeyDataError, KeyDataShape, MAX_ITERATIONS, MIN_ITERATIONS};
use crate::Passphrase;
use crate::crypto_cli::dare::DareWriter;
use crate::format::{FormatError, ImageEncryptor};
use crate::hashing::HashingWriter;
use crate::pushed::{LayerKey, Pushed, PushedLayer};
use crate::random::random;
use crate::sealed::{
    ImageIdentity, PlainLayer, SealedBlob, SealedLayer, SealedRecord, Sealing, SourceRemarks,
};
use crate::select::Chosen;

/// A key-encryption key under a fresh salt, for one image or for all images of one index.
pub struct FreshKey {
    kek: KeyEncryptionKey,
    salt: [u8; 16],
    iterations: NonZeroU32,
}

impl FreshKey {
    /// Derives a key from `passphrase` in `iterations` rounds, which is slow by design.
    ///
    /// # Errors
    /// The rounds are out of bounds; the system gives no random bytes.
    pub fn derive(passphrase: &Passphrase, iterations: u32) -> Result<Self, EncryptError> {
        let rounds = match NonZeroU32::new(iterations) {
            Some(rounds) if (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) => rounds,
            _ => return Err(EncryptError::Iterations(iterations)),
        };
        let salt = random()?;
        let kek = KeyEncryptionKey::derive(passphrase, &salt, rounds);
        Ok(Self { kek, salt, iterations: rounds })
    }

    /// Wraps the key of a blob, under a nonce that must be fresh.
    pub(super) fn key_data(&self, key: &DataKey, nonce: [u8; 12]) -> KeyData {
        let Self { kek, salt, iterations } = self;
        KeyData {
            nonce,
            salt: *salt,
            iterations: iterations.get(),
            wrapped_key: kek.wrap(key, nonce, salt),
        }
    }

    /// Returns the image of `layers` and of the config that `encrypted` makes under a fresh key.
    ///
    /// # Errors
    /// `encrypted` fails; the config becomes too large; the system gives no random bytes.
    pub(super) fn image(
        &self,
        layers: Vec<Layer>,
        shape: KeyDataShape,
        encrypted: impl FnOnce(&Under<'_>) -> Result<Vec<u8>, SealedConfigError>,
    ) -> Result<Outgoing, EncryptError> {
        let (key, nonce) = (DataKey::new(random()?), random()?);
        let config = encrypted(&Under { key: &key, nonce, salt: self.salt })?;
        if config.len() as u64 > MAX_CONFIG_BYTES {
            return Err(EncryptError::ConfigTooLarge);
        }
        let mut descriptor = Descriptor::of(MediaType::DOCKER_CONFIG, &config);
        self.key_data(&key, nonce).put(&mut descriptor, shape);
        let descriptors = layers.iter().filter_map(Layer::descriptor).cloned().collect::<Vec<_>>();
        let manifest = Manifest::new(Family::Docker, descriptor, descriptors).to_raw();
        Ok(Outgoing::built(Image { manifest: Some(manifest), ..Image::new(config, layers) }))
    }
}

/// Encrypts the chosen layers of one image, and its config.
///
/// All blobs share one salt, so that one run of the key derivation opens the image. Each blob has a
/// fresh data key and a fresh nonce of its own. A layer that was pushed before and stays as it is
/// keeps its data key: the encryptor wraps that key again, and never encrypts with it.
pub struct Encryptor {
    key: Arc<FreshKey>,
    shape: KeyDataShape,
    source: SourceRemarks,
    chosen: BTreeSet<usize>,
    /// The config before encryption.
    config: Vec<u8>,
    diff_ids: Vec<Option<DiffId>>,
    pushed: Pushed,
    /// The data keys of layers, by place.
    keys: Mutex<BTreeMap<usize, DareKey>>,
}

/// The data key of a layer, with the digest of the layer that it encrypts.
#[derive(Clone)]
pub(crate) struct DareKey {
    pub(crate) key: DataKey,
    /// The digest of the gzipped layer before encryption, if it is known.
    pub(crate) digest: Option<Digest>,
}

/// The name of the encryption of layers, in [`LayerKey`].
const DARE: &str = "dare";

impl DareKey {
    /// Returns the key for another push to use again.
    pub(super) fn to_pushed(&self) -> LayerKey {
        LayerKey {
            encryption: DARE.to_owned(),
            key: self.key.clone(),
            digest: self.digest,
            nonce: None,
            hmac: None,
        }
    }

    /// Takes the key of a layer that was pushed before; `None` if another format encrypted the layer.
    fn of_pushed(pushed: &LayerKey) -> Option<Self> {
        let LayerKey { encryption, key, digest, .. } = pushed;
        (encryption == DARE).then(|| Self { key: key.clone(), digest: *digest })
    }
}

impl Encryptor {
    /// Prepares to encrypt the chosen layers of `image` under `key`.
    ///
    /// # Errors
    /// The config cannot be used.
    pub fn new(
        image: &Image,
        chosen: Chosen,
        key: impl Into<Arc<FreshKey>>,
        shape: KeyDataShape,
    ) -> Result<Self, EncryptError> {
        Ok(Self {
            key: key.into(),
            shape,
            source: SourceRemarks::of(image, Config::parse(&image.config)?.platform()),
            chosen: chosen.into_places(),
            config: image.config.clone(),
            diff_ids: image.layers.iter().map(Layer::diff_id).collect(),
            pushed: Pushed::default(),
            keys: Mutex::default(),
        })
    }

    /// Returns an encrypted layer, whose ciphertext is in `spool`.
    fn encrypted_layer(
        &self,
        place: usize,
        layer: &Layer,
        compression: Compression,
        compressor: &Compressor,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Layer, EncryptError> {
        let meter = progress.begin(Stage::Encrypt, &layer.name(), Some(layer.size()));
        let (key, nonce) = (DataKey::new(random()?), random()?);
        let mut digest = layer.digest().filter(|_| compression == Compression::Gzip);
        let spooled = spool.fill(|out| {
            let mut writer = DareWriter::new(out, &key)?;
            match digest {
                // The reader checks the digest when it reaches the end.
                Some(_) => gzipped(layer, compression, compressor, &mut writer, &*meter)?,
                None => {
                    let mut hashing = HashingWriter::new(&mut writer);
                    gzipped(layer, compression, compressor, &mut hashing, &*meter)?;
                    digest = Some(hashing.finish());
                }
            }
            writer.finish().map(|_| ())
        })?;
        meter.done();
        let mut descriptor =
            Descriptor::new(MediaType::DOCKER_LAYER_GZIP, spooled.digest, spooled.len);
        self.key.key_data(&key, nonce).put(&mut descriptor, self.shape);
        self.keep(place, DareKey { key, digest });
        Ok(Layer::stored(descriptor, None, Arc::new(spooled.content)))
    }

    fn keep(&self, place: usize, key: DareKey) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(place, key);
    }

    /// Returns a layer in clear in Docker's only compression.
    fn clear_layer(
        &self,
        layer: &Layer,
        compression: Compression,
        compressor: &Compressor,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Layer, EncryptError> {
        if let (Compression::Gzip, Some(descriptor)) = (compression, layer.descriptor()) {
            let descriptor =
                Descriptor::new(MediaType::DOCKER_LAYER_GZIP, descriptor.digest, descriptor.size);
            return Ok(Layer::stored(descriptor, layer.diff_id(), layer.content().clone()));
        }
        let meter = progress.begin(Stage::Compress, &layer.name(), Some(layer.size()));
        let spooled = spool.fill(|out| gzipped(layer, compression, compressor, out, &*meter))?;
        meter.done();
        let descriptor = Descriptor::new(MediaType::DOCKER_LAYER_GZIP, spooled.digest, spooled.len);
        Ok(Layer::stored(descriptor, layer.diff_id(), Arc::new(spooled.content)))
    }
}

impl ImageEncryptor for Encryptor {
    fn places(&self) -> &BTreeSet<usize> {
        &self.chosen
    }

    fn encrypts_config(&self) -> bool {
        true
    }

    fn reuse(&mut self, pushed: Pushed) {
        self.pushed = pushed;
    }

    fn reusable(&self) -> &Pushed {
        &self.pushed
    }

    fn reused(&self, place: usize, layer: &Layer) -> Result<Option<Layer>, FormatError> {
        let Some(diff_id) = layer.diff_id() else { return Ok(None) };
        let Some(pushed) = self.pushed.layer(diff_id) else { return Ok(None) };
        // The format has gzip only.
        if pushed.compression != Compression::Gzip {
            return Ok(None);
        }
        let mut descriptor = pushed.descriptor(Family::Docker);
        match (&pushed.key, self.chosen.contains(&place)) {
            (Some(key), true) => {
                let Some(of) = DareKey::of_pushed(key) else { return Ok(None) };
                let nonce = random().map_err(EncryptError::Io).map_err(FormatError::new)?;
                self.key.key_data(&of.key, nonce).put(&mut descriptor, self.shape);
                self.keep(place, of);
            }
            (None, false) => {}
            _ => return Ok(None),
        }
        Ok(Some(pushed.elsewhere(descriptor)))
    }

    fn layer(
        &self,
        place: usize,
        layer: &Layer,
        compressor: &Compressor,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Layer, FormatError> {
        let compression = layer.compression().map_err(EncryptError::from)?;
        Ok(match self.chosen.contains(&place) {
            true => self.encrypted_layer(place, layer, compression, compressor, spool, progress)?,
            false => self.clear_layer(layer, compression, compressor, spool, progress)?,
        })
    }

    fn identity(&self, platform: Option<&Platform>, layers: &[Layer]) -> ImageIdentity {
        ImageIdentity::of(platform, None, layers.iter().filter_map(Layer::digest))
    }

    // The config is encrypted, with the record sealed in it.
    fn finish(&self, layers: Vec<Layer>, sealing: &Sealing) -> Result<Outgoing, FormatError> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let sealed_layer = |(place, layer): (usize, &Layer)| {
            let stored = layer.descriptor().expect("it is stored");
            let plain = keys.get(&place).map(|key| PlainLayer {
                media_type: MediaType::DOCKER_LAYER_GZIP,
                digest: key.digest,
            });
            let digest = plain.as_ref().map_or(Some(stored.digest), |plain| plain.digest);
            SealedLayer {
                stored: SealedBlob::of(stored),
                plain,
                diff_id: self.diff_ids.get(place).copied().flatten(),
                annotations: self.source.annotations(place, self.source.kept(place, digest)),
            }
        };
        let sealed = layers.iter().enumerate().map(sealed_layer).collect();
        let config = SealedBlob::of(&Descriptor::of(MediaType::DOCKER_CONFIG, &self.config));
        let record = SealedRecord::new(config, sealed, &self.source, sealing);
        let seal = |under: &Under<'_>| config::seal(&self.config, &record, under);
        Ok(self.key.image(layers, self.shape, seal)?)
    }

    fn pushed(&self, encrypted: &Image) -> Vec<PushedLayer> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let both = self.diff_ids.iter().zip(&encrypted.layers).enumerate();
        both.filter_map(|(place, (diff_id, stored))| {
            Some(PushedLayer {
                diff_id: (*diff_id)?,
                digest: stored.digest()?,
                size: stored.size(),
                compression: Compression::Gzip,
                key: keys.get(&place).map(DareKey::to_pushed),
            })
        })
        .collect()
    }
}

/// Tells whether this format encrypts any part of an image.
///
/// # Errors
/// Some key data is malformed.
pub(super) fn is_encrypted(image: &Image) -> Result<bool, KeyDataError> {
    for descriptor in image.layers.iter().filter_map(Layer::descriptor) {
        if KeyData::of(descriptor)?.is_some() {
            return Ok(true);
        }
    }
    Ok(config::is_encrypted(&image.config))
}

/// Writes `layer` gzipped. A layer that is gzip already stays as it is.
fn gzipped(
    layer: &Layer,
    compression: Compression,
    compressor: &Compressor,
    output: &mut dyn Write,
    meter: &dyn Meter,
) -> io::Result<()> {
    let mut reader = MeteredReader::new(layer.open_stored()?, meter);
    match compression {
        Compression::Gzip => io::copy(&mut reader, output).map(|_| ()),
        Compression::None => compressor.gzip(&mut reader, output),
        Compression::Zstd => compressor.gzip(&mut *layer.unpack(Box::new(reader))?, output),
    }
}

/// Why an image cannot be encrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The encrypted config is larger than a reader takes.
    #[error("the image config is too large to be encrypted")]
    ConfigTooLarge,
    /// Reading a layer failed, the layer is damaged, or the spool cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The rounds of the key derivation are out of bounds.
    #[error("{0} iterations are not between 100,000 and 10,000,000")]
    Iterations(u32),
    /// The config cannot be sealed.
    #[error("{0}")]
    SealedConfig(#[from] SealedConfigError),
}

impl Classified for EncryptError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Iterations(_) => Some(ErrorClass::Usage),
            Self::ConfigTooLarge => Some(ErrorClass::Failure),
            Self::Config(_) | Self::Io(_) | Self::SealedConfig(_) => None,
        }
    }
}
