//! A further format, made against the public seam alone: it encrypts, recognises, opens, and rewraps an
//! image without a change of any other module.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_crypt::format::{
    EncryptedImage, Encryption, Format, FormatError, ImageEncryptor, KeyFacts, Keys, NewReaders,
    OpenKeys, Opened, Pending, Rewrapped, Terms,
};
use sealcrate_crypt::formats::{self, choose, recognise_among};
use sealcrate_crypt::pushed::{Pushed, PushedLayer, Reader, Readers};
use sealcrate_crypt::sealed::{Binding, ImageIdentity, SealedRecord, Sealing, Unbound};
use sealcrate_crypt::select::{Chosen, Selection};
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{
    Compression, CompressionLevel, Compressor, Config, Content, Descriptor, DiffId, Digest, Family,
    Image, Layer, Manifest, MediaType, Outgoing, Platform, Progress, Quiet, Spool,
};
use serde_json::json;
use thiserror::Error;

/// The annotation of an encrypted layer: the byte of its key.
const MARK: &str = "example.toy.key";

/// The format of the test: it adds one byte, which the passphrase gives, to every byte.
struct Toy;

/// Returns the byte that a passphrase stands for.
fn key_of(passphrase: &Passphrase) -> u8 {
    passphrase.as_bytes().iter().fold(0, |sum, byte| u8::wrapping_add(sum, *byte))
}

/// The errors of the format.
#[derive(Debug, Error)]
enum ToyError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("wrong passphrase")]
    WrongKey,
}

impl Classified for ToyError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::WrongKey => Some(ErrorClass::Key),
            Self::Io(_) => None,
        }
    }
}

fn wrong_key() -> FormatError {
    FormatError::new(ToyError::WrongKey)
}

impl Format for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn marks(&self, image: &Image) -> Result<bool, FormatError> {
        let mut descriptors = image.layers.iter().filter_map(Layer::descriptor);
        Ok(descriptors.any(|descriptor| descriptor.annotations.contains_key(MARK)))
    }

    fn recognise(&self, image: &Image) -> Result<Option<Box<dyn EncryptedImage>>, FormatError> {
        let encrypted = || Box::new(ToyImage(image.clone())) as Box<dyn EncryptedImage>;
        Ok(self.marks(image)?.then(encrypted))
    }
}

struct ToyImage(Image);

impl ToyImage {
    fn key(&self, place: usize) -> Option<u8> {
        self.0.layers.get(place)?.descriptor()?.annotations.get(MARK)?.parse().ok()
    }

    /// Checks the passphrase among the keys.
    fn check(&self, keys: &Keys) -> Result<u8, FormatError> {
        let (passphrase, _) = keys.passphrase().map_err(FormatError::new)?;
        let key = key_of(passphrase);
        let is_it = |place| self.key(place).is_none_or(|of_layer| of_layer == key);
        (0..self.0.layers.len()).all(is_it).then_some(key).ok_or_else(wrong_key)
    }
}

impl EncryptedImage for ToyImage {
    fn description(&self) -> &'static str {
        "toy"
    }

    fn has_layer(&self, place: usize) -> bool {
        self.key(place).is_some()
    }

    fn has_config(&self) -> bool {
        false
    }

    fn takes_passphrase(&self) -> bool {
        true
    }

    fn has_recipients(&self) -> bool {
        false
    }

    fn is_for(&self, keys: &Keys) -> bool {
        keys.has_passphrase()
    }

    fn key_facts(&self) -> KeyFacts {
        KeyFacts::Wrapped(vec!["toy".to_owned()])
    }

    fn lists_all_readers(&self, _record: &SealedRecord) -> bool {
        true
    }

    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        let layers = self.0.layers.iter().filter_map(Layer::digest);
        ImageIdentity::of(platform, Some(self.0.id()), layers)
    }

    fn private_layers(&self, _passphrase: Option<&Passphrase>) -> Result<Vec<DiffId>, FormatError> {
        Ok(Vec::new())
    }

    fn open(&self, keys: &Keys, _terms: &Terms, _spool: &Spool) -> Result<Opened, FormatError> {
        let key = self.check(keys)?;
        let config = Config::parse(&self.0.config).map_err(FormatError::new)?;
        let layers = self.0.layers.iter().zip(config.diff_ids()).enumerate();
        let layers = layers.map(|(place, (layer, diff_id))| match self.key(place) {
            Some(_) => {
                let content = Arc::new(Shifted { layer: layer.clone(), key });
                Layer::decrypted(MediaType::OCI_LAYER, layer.size(), *diff_id, content)
            }
            None => layer.with_diff_id(*diff_id),
        });
        let image = Image::new(self.0.config.clone(), layers.collect());
        Ok(Opened::unchanged(Outgoing::built(image)))
    }

    fn open_keys(
        &self,
        keys: &Keys,
        _new: &NewReaders,
        _unbound: Unbound,
    ) -> Result<Box<dyn OpenKeys>, FormatError> {
        self.check(keys)?;
        Ok(Box::new(ToyKeys(self.0.clone())))
    }

    fn encryption(&self, new: &NewReaders) -> Result<Box<dyn Encryption>, FormatError> {
        Ok(Box::new(ToyEncryption(new.passphrase.clone().ok_or_else(wrong_key)?)))
    }
}

/// The bytes of a layer in clear.
struct Shifted {
    layer: Layer,
    key: u8,
}

impl Content for Shifted {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut bytes = Vec::new();
        self.layer.open_stored()?.read_to_end(&mut bytes)?;
        bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_sub(self.key));
        Ok(Box::new(io::Cursor::new(bytes)))
    }
}

/// Keys that stay as they are.
struct ToyKeys(Image);

impl OpenKeys for ToyKeys {
    fn binding(&self) -> Binding {
        Binding::None
    }

    fn record(&self) -> Option<&SealedRecord> {
        None
    }

    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        ToyImage(self.0.clone()).identity(platform)
    }

    fn platform(&self) -> Option<Platform> {
        None
    }

    fn finish(
        self: Box<Self>,
        _new: &NewReaders,
        _sealing: &Sealing,
    ) -> Result<Rewrapped, FormatError> {
        Ok(Rewrapped { image: Outgoing::built(self.0), readers: Vec::new(), unnamed: 0 })
    }
}

struct ToyEncryption(Passphrase);

impl Encryption for ToyEncryption {
    fn compression(&self) -> Compression {
        Compression::None
    }

    fn passphrase(&self) -> Option<&Passphrase> {
        Some(&self.0)
    }

    fn readers(&self, salt: &[u8; 16]) -> Option<Pending<Readers>> {
        let reader = Reader::passphrase(&self.0, salt);
        Some(Pending::begin(move || Ok(Readers::new("toy", [reader].into()))))
    }

    fn encryptor(
        &self,
        image: &Image,
        chosen: Chosen,
    ) -> Result<Box<dyn ImageEncryptor>, FormatError> {
        Ok(Box::new(ToyEncryptor {
            key: key_of(&self.0),
            config: image.config.clone(),
            places: chosen.places().clone(),
            pushed: Pushed::default(),
        }))
    }
}

struct ToyEncryptor {
    key: u8,
    config: Vec<u8>,
    places: BTreeSet<usize>,
    pushed: Pushed,
}

impl ImageEncryptor for ToyEncryptor {
    fn places(&self) -> &BTreeSet<usize> {
        &self.places
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

    fn reused(&self, _place: usize, _layer: &Layer) -> Result<Option<Layer>, FormatError> {
        Ok(None)
    }

    fn layer(
        &self,
        place: usize,
        layer: &Layer,
        _compressor: &Compressor,
        spool: &Spool,
        _progress: &dyn Progress,
    ) -> Result<Layer, FormatError> {
        let is_private = self.encrypts(place);
        let spooled = spool.fill(|out| {
            let mut bytes = Vec::new();
            layer.open_stored()?.read_to_end(&mut bytes)?;
            if is_private {
                bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(self.key));
            }
            out.write_all(&bytes)
        });
        let spooled = spooled.map_err(ToyError::Io).map_err(FormatError::new)?;
        let mut descriptor = Descriptor::new(MediaType::OCI_LAYER, spooled.digest, spooled.len);
        if is_private {
            descriptor.annotations.insert(MARK.to_owned(), self.key.to_string());
        }
        Ok(Layer::stored(descriptor, None, Arc::new(spooled.content)))
    }

    fn identity(&self, platform: Option<&Platform>, layers: &[Layer]) -> ImageIdentity {
        let config = Digest::of(&self.config);
        ImageIdentity::of(platform, Some(config), layers.iter().filter_map(Layer::digest))
    }

    fn finish(&self, layers: Vec<Layer>, _sealing: &Sealing) -> Result<Outgoing, FormatError> {
        let config = Descriptor::of(MediaType::OCI_CONFIG, &self.config);
        let descriptors = layers.iter().filter_map(Layer::descriptor).cloned().collect();
        let manifest = Manifest::new(Family::Oci, config, descriptors).to_raw();
        let image = Image { manifest: Some(manifest), ..Image::new(self.config.clone(), layers) };
        Ok(Outgoing::built(image))
    }

    fn pushed(&self, _encrypted: &Image) -> Vec<PushedLayer> {
        Vec::new()
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes().to_vec().into()).unwrap()
}

fn plain() -> Image {
    let layers = [b"below", b"above"].map(|bytes| {
        let content = Arc::new(bytes.to_vec());
        let diff_id = DiffId(Digest::of(bytes));
        Layer::decrypted(MediaType::OCI_LAYER, bytes.len() as u64, diff_id, content)
    });
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {
            "type": "layers",
            "diff_ids": layers.iter().filter_map(Layer::diff_id).collect::<Vec<_>>(),
        },
    });
    Image::new(config.to_string().into_bytes(), layers.to_vec())
}

/// Encrypts the upper layer with the steps that every format has.
fn encrypted(encryption: &dyn Encryption) -> Image {
    let image = plain();
    let chosen = choose(&image, &Selection::Indices(vec![-1])).unwrap();
    let encryptor = encryption.encryptor(&image, chosen).unwrap();
    let compressor = Compressor::new(1, CompressionLevel::default());
    let spool = Spool::in_folder(std::env::temp_dir());
    let put = |(place, layer)| encryptor.layer(place, layer, &compressor, &spool, &Quiet).unwrap();
    let layers = image.layers.iter().enumerate().map(put).collect();
    encryptor.finish(layers, &Sealing::default()).unwrap().into_image()
}

fn read(image: &Image) -> Vec<Vec<u8>> {
    let read = |layer: &Layer| {
        let mut bytes = Vec::new();
        layer.open().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    image.layers.iter().map(read).collect()
}

#[test]
fn further_format_encrypts_and_opens_images_by_the_seam_alone() {
    let image = encrypted(&ToyEncryption(passphrase("abc")));
    let mut above = Vec::new();
    image.layers[1].open_stored().unwrap().read_to_end(&mut above).unwrap();
    assert_ne!(above, b"above");
    // The formats of this crate do not know it; with one line more they do.
    assert!(formats::recognise(&image).unwrap().is_none());
    let listed = [&formats::FORMATS[..], &[&Toy]].concat();
    let found = recognise_among(&listed, &image).unwrap().unwrap();
    assert!(!found.has_layer(0) && found.has_layer(1));

    let spool = Spool::in_folder(std::env::temp_dir());
    let terms = Terms::anywhere(Unencrypted::Refuse, Unbound::Accept);
    let open = |text: &str| {
        let keys = Keys::new(Vec::new(), Some(passphrase(text)));
        formats::open_among(&listed, &image, &keys, &terms, &spool)
    };
    assert_eq!(read(&open("abc").unwrap().image), [b"below", b"above"]);
    let wrong = open("abd").err().unwrap();
    assert!(wrong.to_string().contains("wrong passphrase"));
    assert_eq!(
        sealcrate_crypt::class(&wrong),
        Some(ErrorClass::Key),
        "callers find the class of any format's error"
    );

    let keys = Keys::new(Vec::new(), Some(passphrase("abc")));
    let (new, sealing) = (NewReaders::default(), Sealing::default());
    let rewrapped = found.open_keys(&keys, &new, Unbound::Accept).unwrap().finish(&new, &sealing);
    assert!(Toy.marks(&rewrapped.unwrap().image).unwrap());
}
