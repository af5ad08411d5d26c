//! Decryption of an image: config first, which proves the passphrase, then the layers as they are
//! read.

use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_image::{
    Config, ConfigError, Content, Descriptor, DiffId, Digest, Image, Layer, Manifest,
    ManifestError, MediaType,
};
use thiserror::Error;

use super::config::{self, Seal, SealedConfigError, SealedLayer};
use super::kdf::DataKey;
use super::{KdfError, KeyData, KeyDataError, KeyDataShape, KeyDerivation};
use crate::Unencrypted;
use crate::dare::{self, DareError, DareReader};

/// What is encrypted in an image, as its descriptors say; nothing of it is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The config's key data, if it is encrypted.
    pub config: Option<KeyData>,
    /// Each layer's, lowest first.
    pub layers: Vec<Option<KeyData>>,
    /// Where the first key data that was found stands.
    pub shape: Option<KeyDataShape>,
}

impl Protection {
    /// Reads the key data of every descriptor of a manifest.
    ///
    /// # Errors
    /// Key data that is malformed.
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

/// An image that was decrypted.
pub struct Decrypted {
    /// The image: its config as it was before encryption, its layers decrypted as they are read,
    /// each with its diff ID, and with its digest where that is sealed, too. It has no manifest, unless
    /// nothing of it was encrypted.
    pub image: Image,
    /// What authenticates the config's members that stood in clear.
    pub seal: Seal,
}

/// Decrypts `image`, which was read from a registry or layout, with what `kdf` derives.
///
/// # Errors
/// [`DecryptError::WrongPassphrase`] before anything else is unwrapped; an image or config that is
/// not encrypted, unless `unencrypted` says to accept it; damage and contradictions.
pub fn decrypt(
    image: &Image,
    kdf: &mut KeyDerivation,
    unencrypted: Unencrypted,
) -> Result<Decrypted, DecryptError> {
    let opened = Opened::of(image, kdf, unencrypted)?;
    let mut layers = Vec::with_capacity(image.layers.len());
    for (layer, LayerKey { diff_id, digest, key }) in image.layers.iter().zip(opened.layers) {
        layers.push(match (key, layer.descriptor()) {
            (None, Some(descriptor)) if digest == Some(descriptor.digest) => {
                Layer::bound(descriptor.clone(), diff_id, layer.content().clone())
            }
            (None, _) => layer.with_diff_id(diff_id),
            (Some(key), _) => {
                let size = dare::plaintext_len(layer.size())?;
                let content = Arc::new(DareContent { stored: layer.clone(), key });
                let gzip = MediaType::DOCKER_LAYER_GZIP;
                match digest {
                    Some(digest) => {
                        Layer::bound(Descriptor::new(gzip, digest, size), diff_id, content)
                    }
                    None => Layer::decrypted(gzip, size, diff_id, content),
                }
            }
        });
    }
    // Bytes that are what they were keep their manifest.
    let manifest = image.manifest.clone().filter(|_| !opened.is_encrypted);
    let image = Image { manifest, config: opened.config, layers };
    Ok(Decrypted { image, seal: opened.seal })
}

/// An image whose config was decrypted, and whose data keys were unwrapped.
pub(super) struct Opened {
    /// The config as it was before encryption.
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<LayerKey>,
    /// Whether it is sealed that the layers are these blobs.
    pub(super) is_bound: bool,
    seal: Seal,
    is_encrypted: bool,
}

/// What a config, and key data, say of a layer.
pub(super) struct LayerKey {
    pub(super) diff_id: DiffId,
    /// The digest of the gzipped layer, in clear, where that is sealed.
    pub(super) digest: Option<Digest>,
    /// The data key; `None` for a layer in clear.
    pub(super) key: Option<DataKey>,
}

impl Opened {
    pub(super) fn of(
        image: &Image,
        kdf: &mut KeyDerivation,
        unencrypted: Unencrypted,
    ) -> Result<Self, DecryptError> {
        let Some(raw) = &image.manifest else { return Err(DecryptError::NotEncrypted) };
        let protection = Protection::of(&Manifest::parse(raw)?)?;
        let opened = match (&protection.config, unencrypted) {
            (Some(data), _) => {
                let key = kdf.unwrap_key(data)?.ok_or(DecryptError::WrongPassphrase)?;
                config::open(&image.config, &key, data)?
            }
            (None, Unencrypted::Accept) => {
                let config = image.config.clone();
                config::Opened { config, seal: Seal::Unsealed, layers: None }
            }
            (None, Unencrypted::Refuse) if protection.is_any() => {
                return Err(DecryptError::ConfigNotEncrypted);
            }
            (None, Unencrypted::Refuse) => return Err(DecryptError::NotEncrypted),
        };
        let diff_ids = Config::parse(&opened.config)?.diff_ids().to_vec();
        if diff_ids.len() != image.layers.len() {
            let (diff_ids, layers) = (diff_ids.len(), image.layers.len());
            return Err(DecryptError::LayerCount { diff_ids, layers });
        }
        if let Some(sealed) = &opened.layers {
            check_blobs(image, sealed)?;
        }
        let mut layers = Vec::with_capacity(image.layers.len());
        let stored = image.layers.iter().zip(&protection.layers).zip(diff_ids).enumerate();
        for (place, ((layer, data), diff_id)) in stored {
            let digest = opened.layers.as_ref().and_then(|sealed| sealed.get(place)?.layer);
            let key = match data {
                None if digest.is_some() && digest != layer.digest() => {
                    return Err(DecryptError::LayerNotEncrypted(layer.name()));
                }
                None => None,
                Some(data) => match (kdf.unwrap_key(data)?, &protection.config) {
                    (Some(key), _) => Some(key),
                    // The passphrase has been proven right by the config.
                    (None, Some(_)) => return Err(DecryptError::LayerKey(layer.name())),
                    (None, None) => return Err(DecryptError::WrongPassphrase),
                },
            };
            layers.push(LayerKey { diff_id, digest, key });
        }
        let is_bound = opened.layers.is_some();
        let config::Opened { config, seal, .. } = opened;
        Ok(Self { config, layers, is_bound, seal, is_encrypted: protection.is_any() })
    }
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
        // The diff ID, if a config in clear pretended to one, is not that of these bytes.
        let reader = DareReader::new(self.stored.open_stored()?, &self.key);
        Ok(Box::new(NamingReader { reader, layer: self.stored.name() }))
    }
}

/// Says of encrypted data that is damaged which layer it is.
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

/// Tells that an encrypted layer is damaged. It travels inside an [`io::Error`].
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
    /// Layers are encrypted, but the config is not, which authenticates them.
    #[error("the image's layers are encrypted, but its config is not")]
    ConfigNotEncrypted,
    /// A blob is of no possible length.
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
    /// A layer is said to be in clear that was pushed encrypted.
    #[error("the image was tampered with: layer {0} was pushed encrypted, and is said not to be")]
    LayerNotEncrypted(String),
    /// The manifest cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// Nothing in the image is encrypted.
    #[error("the image is not encrypted")]
    NotEncrypted,
    /// The layers are other blobs than those that were pushed.
    #[error(
        "the image was tampered with: its layers are not those that its encrypted config names"
    )]
    OtherBlobs,
    /// The config is damaged or was tampered with.
    #[error("{0}")]
    SealedConfig(#[from] SealedConfigError),
    /// The passphrase is not the one under which the image was encrypted.
    #[error("wrong passphrase")]
    WrongPassphrase,
}
