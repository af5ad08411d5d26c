//! Encryption of an image: layer by layer, then the keys, then the record that binds all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{
    Compression, Compressor, Config, ConfigError, Descriptor, DiffId, Digest, Family, Image, Layer,
    MAX_MANIFEST_BYTES, Manifest, MediaType, Meter, MeteredReader, Outgoing, Platform, Progress,
    Spool, Stage,
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::annotations::{Encryption, MAX_WRAPS};
use super::cipher::CipherWriter;
use super::history::History;
use super::options::{Mark, PrivateOptions};
use super::readers::Readers;
use super::record::{self, DataKeys, SealError};
use super::schemes::Recipient;
use crate::format::{FormatError, ImageEncryptor};
use crate::hashing::HashingWriter;
use crate::pushed::{LayerKey, Pushed, PushedLayer};
use crate::random::random;
use crate::sealed::{
    self, ImageIdentity, Kept, PlainLayer, SealedBlob, SealedRecord, Sealing, SourceRemarks,
};
use crate::select::Chosen;

/// Encrypts the chosen layers of one image to recipients.
///
/// Each layer has a fresh key and a fresh nonce of its own. A layer that was pushed before and
/// stays as it is keeps its key: the encryptor wraps that key again, and encrypts nothing with it.
/// The encryptor compresses layers that are not compressed, and leaves the others as they came.
pub struct Encryptor {
    recipients: Arc<[Recipient]>,
    compression: Compression,
    config: Vec<u8>,
    diff_ids: Vec<DiffId>,
    source: SourceRemarks,
    chosen: BTreeSet<usize>,
    pushed: Pushed,
    sealed: Mutex<BTreeMap<usize, SealedLayer>>,
}

/// The key and the digests of a layer once it is encrypted.
#[derive(Clone)]
pub(crate) struct SealedLayer {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) nonce: [u8; 16],
    pub(crate) hmac: [u8; 32],
    /// The digest of the compressed layer before encryption.
    pub(crate) digest: Digest,
    pub(crate) media_type: MediaType,
}

/// The name of the encryption of layers, in [`LayerKey`].
const AES_CTR: &str = "ocicrypt";

impl SealedLayer {
    /// Returns the layer's media type and digest before encryption.
    fn plain(&self) -> PlainLayer {
        PlainLayer { media_type: self.media_type.clone(), digest: Some(self.digest) }
    }

    /// Returns the key for another push to use again.
    fn to_pushed(&self) -> LayerKey {
        LayerKey {
            encryption: AES_CTR.to_owned(),
            key: self.key.clone(),
            digest: Some(self.digest),
            nonce: Some(self.nonce),
            hmac: Some(self.hmac),
        }
    }

    /// Takes a layer that was pushed before; `None` if another format encrypted the layer.
    fn of_pushed(pushed: &PushedLayer) -> Option<Self> {
        let LayerKey { encryption, key, digest, nonce, hmac } = pushed.key.as_ref()?;
        let media_type = MediaType::layer(Family::Oci, pushed.compression);
        match (&**encryption, *digest, *nonce, *hmac) {
            (AES_CTR, Some(digest), Some(nonce), Some(hmac)) => {
                Some(Self { key: key.clone(), nonce, hmac, digest, media_type })
            }
            _ => None,
        }
    }
}

impl Encryptor {
    /// Prepares to encrypt the chosen layers of `image`. Layers without compression get `compression`.
    /// `history` decides which text about private layers the config keeps.
    ///
    /// # Errors
    /// The config cannot be used; there is no recipient, or too many.
    pub fn new(
        image: &Image,
        chosen: Chosen,
        recipients: impl Into<Arc<[Recipient]>>,
        compression: Compression,
        history: History,
    ) -> Result<Self, EncryptError> {
        let recipients = recipients.into();
        if recipients.is_empty() || recipients.len() > MAX_WRAPS {
            return Err(EncryptError::Recipients(recipients.len()));
        }
        let chosen = chosen.into_places();
        let config = history.applied(&image.config, &chosen)?;
        let parsed = Config::parse(&config)?;
        let (diff_ids, platform) = (parsed.diff_ids().to_vec(), parsed.platform());
        let source = SourceRemarks::of(image, platform);
        let (pushed, sealed) = (Pushed::default(), Mutex::default());
        Ok(Self { recipients, compression, config, diff_ids, source, chosen, pushed, sealed })
    }

    /// Returns the layer at `place` in its stored form, whose ciphertext is in `spool`.
    fn stored_layer(
        &self,
        place: usize,
        layer: &Layer,
        compressor: &Compressor,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Layer, EncryptError> {
        let compression = layer.compression()?;
        let packed = match compression {
            Compression::None => self.compression,
            kept => kept,
        };
        let kept = layer.descriptor().filter(|_| compression == packed);
        if !self.chosen.contains(&place) {
            return clear_layer(layer, packed, kept, compressor, spool, progress);
        }
        let media_type = MediaType::layer(Family::Oci, packed);
        let meter = progress.begin(Stage::Encrypt, &layer.name(), Some(layer.size()));
        let (key, nonce) = (Zeroizing::new(random()?), random()?);
        let (mut hmac, mut digest) = ([0; 32], None);
        let spooled = spool.fill(|out| {
            let mut writer = CipherWriter::new(out, &key, nonce);
            match kept {
                // The reader checks the digest when it reaches the end.
                Some(kept) => {
                    io::copy(&mut MeteredReader::new(layer.open_stored()?, &*meter), &mut writer)?;
                    digest = Some(kept.digest);
                }
                None => {
                    let mut hashing = HashingWriter::new(&mut writer);
                    write_packed(layer, packed, compressor, &mut hashing, &*meter)?;
                    digest = Some(hashing.finish());
                }
            }
            hmac = writer.finish();
            Ok::<_, io::Error>(())
        })?;
        meter.done();
        let digest = digest.expect("it was filled");
        let descriptor = Descriptor::new(media_type.clone(), spooled.digest, spooled.len);
        self.keep(place, SealedLayer { key, nonce, hmac, digest, media_type });
        Ok(Layer::stored(descriptor, None, Arc::new(spooled.content)))
    }

    fn keep(&self, place: usize, sealed: SealedLayer) {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner).insert(place, sealed);
    }

    /// Returns the image of stored layers. Their keys are wrapped to every recipient, and the record is
    /// sealed under these keys.
    fn wrapped(&self, layers: Vec<Layer>, sealing: &Sealing) -> Result<Outgoing, EncryptError> {
        let sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let config = Descriptor::of(MediaType::OCI_CONFIG, &self.config);
        let mut stored = Vec::with_capacity(layers.len());
        let mut sealed_layers = Vec::with_capacity(layers.len());
        let mut readers = Readers::of(&self.recipients);
        let mut keys = DataKeys::new();
        for (place, layer) in layers.into_iter().enumerate() {
            let (layer, plain) = match sealed.get(&place) {
                Some(of) => {
                    let layer = self.wrap(&layer, of, &mut readers)?;
                    keys.insert(layer.digest().expect("it is stored"), of.key.clone());
                    (layer, Some(of.plain()))
                }
                None => (self.in_clear(place, &layer), None),
            };
            let descriptor = layer.descriptor().expect("it is stored");
            sealed_layers.push(sealed::SealedLayer {
                stored: SealedBlob::of(descriptor),
                annotations: self.source.annotations(place, self.kept(place, &plain, descriptor)),
                plain,
                diff_id: self.diff_ids.get(place).copied(),
            });
            stored.push(layer);
        }
        let config_blob = SealedBlob::of(&config);
        let mut record = SealedRecord::new(config_blob, sealed_layers, &self.source, sealing);
        record.readers = readers.into_list();
        let descriptors = stored.iter().filter_map(Layer::descriptor).cloned().collect();
        let mut manifest = Manifest::new(Family::Oci, config, descriptors);
        record::put(&record, &keys, &mut manifest)?;
        let manifest = manifest.to_raw();
        if manifest.bytes().len() as u64 > MAX_MANIFEST_BYTES {
            return Err(EncryptError::ManifestTooLarge);
        }
        let image = Image { manifest: Some(manifest), ..Image::new(self.config.clone(), stored) };
        Ok(Outgoing::built(image))
    }

    /// Returns an encrypted layer with its key wrapped to every recipient.
    fn wrap(
        &self,
        layer: &Layer,
        sealed: &SealedLayer,
        readers: &mut Readers,
    ) -> io::Result<Layer> {
        let options = PrivateOptions {
            key: sealed.key.clone(),
            nonce: sealed.nonce,
            digest: Some(sealed.digest),
            mark: Mark::Record,
        };
        let options = options.to_json();
        let wraps = self.recipients.iter().map(|recipient| recipient.wrap(&options, &sealed.key));
        let wraps = wraps.collect::<io::Result<Vec<_>>>()?;
        readers.add(&wraps);
        let (media_type, hmac) = (sealed.media_type.clone(), sealed.hmac);
        let Descriptor { digest, size, .. } = layer.descriptor().expect("it was made with one");
        let mut descriptor = Descriptor::new(media_type.clone(), *digest, *size);
        Encryption { media_type, hmac, wraps }.put(&mut descriptor);
        Ok(Layer::stored(descriptor, None, layer.content().clone()))
    }

    /// Returns a layer in clear with its annotations, which anybody can read.
    fn in_clear(&self, place: usize, layer: &Layer) -> Layer {
        let Descriptor { media_type, digest, size, .. } =
            layer.descriptor().expect("it was made with one").clone();
        let mut descriptor = Descriptor::new(media_type, digest, size);
        descriptor.annotations =
            self.source.annotations(place, self.kept(place, &None, &descriptor));
        Layer::stored(descriptor, layer.diff_id(), layer.content().clone())
    }

    /// Tells whether the layer at `place` has the compressed bytes that it came with.
    fn kept(&self, place: usize, plain: &Option<PlainLayer>, stored: &Descriptor) -> Kept {
        let digest = match plain {
            Some(plain) => plain.digest,
            None => Some(stored.digest),
        };
        self.source.kept(place, digest)
    }
}

impl ImageEncryptor for Encryptor {
    fn places(&self) -> &BTreeSet<usize> {
        &self.chosen
    }

    fn encrypts_config(&self) -> bool {
        false
    }

    fn reuse(&mut self, pushed: Pushed) {
        self.pushed = pushed;
    }

    fn reusable(&self) -> &Pushed {
        &self.pushed
    }

    fn reused(&self, place: usize, layer: &Layer) -> Result<Option<Layer>, FormatError> {
        let found = layer.diff_id().and_then(|diff_id| self.pushed.layer(diff_id));
        let Some(pushed) = found else { return Ok(None) };
        match (&pushed.key, self.chosen.contains(&place)) {
            (Some(_), true) => match SealedLayer::of_pushed(pushed) {
                Some(sealed) => self.keep(place, sealed),
                None => return Ok(None),
            },
            (None, false) => {}
            _ => return Ok(None),
        }
        Ok(Some(pushed.elsewhere(pushed.descriptor(Family::Oci))))
    }

    fn layer(
        &self,
        place: usize,
        layer: &Layer,
        compressor: &Compressor,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Layer, FormatError> {
        Ok(self.stored_layer(place, layer, compressor, spool, progress)?)
    }

    fn identity(&self, platform: Option<&Platform>, layers: &[Layer]) -> ImageIdentity {
        let config = Digest::of(&self.config);
        ImageIdentity::of(platform, Some(config), layers.iter().filter_map(Layer::digest))
    }

    fn finish(&self, layers: Vec<Layer>, sealing: &Sealing) -> Result<Outgoing, FormatError> {
        Ok(self.wrapped(layers, sealing)?)
    }

    fn pushed(&self, encrypted: &Image) -> Vec<PushedLayer> {
        let sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let both = self.diff_ids.iter().zip(&encrypted.layers).enumerate();
        both.filter_map(|(place, (diff_id, stored))| {
            let sealed = sealed.get(&place);
            let media_type = match sealed {
                Some(sealed) => &sealed.media_type,
                None => stored.media_type(),
            };
            Some(PushedLayer {
                diff_id: *diff_id,
                digest: stored.digest()?,
                size: stored.size(),
                compression: media_type.compression()?,
                key: sealed.map(SealedLayer::to_pushed),
            })
        })
        .collect()
    }
}

/// Returns a layer in clear as a registry takes it, under OCI's media type.
fn clear_layer(
    layer: &Layer,
    packed: Compression,
    kept: Option<&Descriptor>,
    compressor: &Compressor,
    spool: &Spool,
    progress: &dyn Progress,
) -> Result<Layer, EncryptError> {
    let media_type = MediaType::layer(Family::Oci, packed);
    if let Some(kept) = kept {
        let descriptor = Descriptor::new(media_type, kept.digest, kept.size);
        return Ok(Layer::stored(descriptor, layer.diff_id(), layer.content().clone()));
    }
    let meter = progress.begin(Stage::Compress, &layer.name(), Some(layer.size()));
    let spooled = spool.fill(|out| write_packed(layer, packed, compressor, out, &*meter))?;
    meter.done();
    let descriptor = Descriptor::new(media_type, spooled.digest, spooled.len);
    Ok(Layer::stored(descriptor, layer.diff_id(), Arc::new(spooled.content)))
}

/// Writes `layer`, compressed as `packed` says. A layer that is compressed already stays as it is.
fn write_packed(
    layer: &Layer,
    packed: Compression,
    compressor: &Compressor,
    output: &mut dyn Write,
    meter: &dyn Meter,
) -> io::Result<()> {
    let mut reader = MeteredReader::new(layer.open_stored()?, meter);
    match layer.compression()? {
        Compression::None => compressor.compress(packed, &mut reader, output),
        _ => io::copy(&mut reader, output).map(|_| ()),
    }
}

/// Why an image cannot be encrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Reading a layer failed, the layer is damaged, or the spool cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The record cannot be sealed.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// The layers' keys, each wrapped to every recipient, do not fit into one manifest.
    #[error("the manifest becomes larger than 4 MiB: there are too many layers and recipients")]
    ManifestTooLarge,
    /// There is no recipient, or more than readers look at.
    #[error("an image is encrypted to 1 to {MAX_WRAPS} recipients, not to {0}")]
    Recipients(usize),
}

impl Classified for EncryptError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Recipients(_) => Some(ErrorClass::Usage),
            Self::ManifestTooLarge => Some(ErrorClass::Failure),
            Self::Config(_) | Self::Io(_) | Self::Seal(_) => None,
        }
    }
}
