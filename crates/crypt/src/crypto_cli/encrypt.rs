//! Encryption of an image: layer by layer, then the config, then the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

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
use crate::hashing::HashingWriter;
use crate::pushed::{LayerKey, Pushed, PushedLayer};
use crate::random::random;
use crate::sealed::{
    ImageIdentity, PlainLayer, SealedBlob, SealedLayer, SealedRecord, Sealing, SourceRemarks,
};
use crate::select::{ChooseError, Selection, choose};

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
    /// Chooses the layers of `image` to encrypt under `key`.
    ///
    /// # Errors
    /// The image is encrypted already, or the selection does not fit it.
    pub fn new(
        image: &Image,
        selection: &Selection,
        key: impl Into<Arc<FreshKey>>,
        shape: KeyDataShape,
    ) -> Result<Self, EncryptError> {
        let chosen = choose(image, selection)?;
        let source = SourceRemarks::of(image, Config::parse(&image.config)?.platform());
        let (pushed, keys) = (Pushed::default(), Mutex::default());
        Ok(Self { key: key.into(), shape, source, chosen, pushed, keys })
    }

    /// Tells whether the encryptor chose the layer at `place`.
    pub fn encrypts(&self, place: usize) -> bool {
        self.chosen.contains(&place)
    }

    /// Takes the layers that were `pushed` before, to push them again as they are.
    pub fn reuse(self, pushed: Pushed) -> Self {
        Self { pushed, ..self }
    }

    /// Returns the diff IDs of layers that are private in images that were pushed before.
    pub fn known_private(&self) -> impl Iterator<Item = DiffId> {
        self.pushed.private()
    }

    /// Returns the diff IDs of the layers of `image` that were `pushed` in clear and are chosen
    /// now, or the other way round.
    pub fn changed(&self, pushed: &Pushed, image: &Image) -> Vec<DiffId> {
        pushed.changed(image, &self.chosen)
    }

    /// Returns `layer`, which is at `place`, as it was pushed before, with its data key wrapped
    /// anew. Returns `None` if it was not pushed as gzip, or if it was pushed in clear and is
    /// chosen now, or the other way round.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn reused(&self, place: usize, layer: &Layer) -> io::Result<Option<Layer>> {
        let Some(diff_id) = layer.diff_id() else { return Ok(None) };
        let Some(pushed) = self.pushed.layer(diff_id) else { return Ok(None) };
        if pushed.compression != Compression::Gzip {
            return Ok(None);
        }
        let mut descriptor = pushed.descriptor(Family::Docker);
        match (&pushed.key, self.chosen.contains(&place)) {
            (Some(key), true) => {
                let Some(of) = DareKey::of_pushed(key) else { return Ok(None) };
                self.key.key_data(&of.key, random()?).put(&mut descriptor, self.shape);
                self.keep(place, of);
            }
            (None, false) => {}
            _ => return Ok(None),
        }
        Ok(Some(pushed.elsewhere(descriptor)))
    }

    /// Returns the layer at `place` as a registry stores it: gzipped, and encrypted if it was
    /// chosen.
    ///
    /// The encryptor keeps no bytes outside `spool`, which holds the ciphertext of a chosen layer.
    ///
    /// # Errors
    /// Reading the layer fails, or the layer is damaged; the spool fails.
    pub fn layer(
        &self,
        place: usize,
        layer: &Layer,
        compressor: &Compressor,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Layer, EncryptError> {
        let compression = layer.compression()?;
        if !self.chosen.contains(&place) {
            return self.clear_layer(layer, compression, compressor, spool, progress);
        }
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

    /// Returns the identity that the image gets in an index which names `platform` for it. `layers`
    /// come from [`layer`](Self::layer).
    pub fn identity(&self, platform: Option<&Platform>, layers: &[Layer]) -> ImageIdentity {
        ImageIdentity::of(platform, None, layers.iter().filter_map(Layer::digest))
    }

    /// Returns the encrypted image of `layers`, which [`layer`](Self::layer) made, lowest first.
    /// The config of `image` is encrypted, with the record sealed in it.
    ///
    /// # Errors
    /// The config or the record becomes too large; the system gives no random bytes.
    pub fn finish(
        &self,
        image: &Image,
        layers: Vec<Layer>,
        sealing: &Sealing,
    ) -> Result<Outgoing, EncryptError> {
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
                diff_id: image.layers.get(place).and_then(Layer::diff_id),
                annotations: self.source.annotations(place, self.source.kept(place, digest)),
            }
        };
        let sealed = layers.iter().enumerate().map(sealed_layer).collect();
        let config = SealedBlob::of(&Descriptor::of(MediaType::DOCKER_CONFIG, &image.config));
        let record = SealedRecord::new(config, sealed, &self.source, sealing);
        self.key.image(layers, self.shape, |under| config::seal(&image.config, &record, under))
    }

    /// Returns the layers of `encrypted`, which [`finish`](Self::finish) made from `image`, for
    /// another push to use again.
    pub fn pushed(&self, image: &Image, encrypted: &Image) -> Vec<PushedLayer> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let both = image.layers.iter().zip(&encrypted.layers).enumerate();
        both.filter_map(|(place, (layer, stored))| {
            Some(PushedLayer {
                diff_id: layer.diff_id()?,
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
pub(crate) fn is_encrypted(image: &Image) -> Result<bool, KeyDataError> {
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
    /// The layers cannot be chosen.
    #[error("{0}")]
    Choose(#[from] ChooseError),
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
