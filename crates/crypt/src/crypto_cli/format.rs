//! crypto-cli's format, as callers of [`formats`](crate::formats) see it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{Compression, DiffId, Image, Layer, Manifest, Platform, Spool};
use thiserror::Error;

use super::encrypt::is_encrypted;
use super::{
    DecryptError, EncryptError, Encryptor, FreshKey, KeyDataError, KeyDataShape, KeyDerivation,
    Rewrapping, WrappedKeys, decrypt, open_pushed,
};
use crate::Passphrase;
use crate::format::{
    EarlierPush, EncryptedImage, Encryption, Format, FormatError, ImageEncryptor, KeyFacts, Keys,
    NewReaders, OpenKeys, Opened, Pending, Rewrapped, Terms,
};
use crate::pushed::{Reader, Readers};
use crate::sealed::{Binding, ImageIdentity, SealedRecord, Sealing, Unbound};
use crate::select::Chosen;

/// The name of the format.
const NAME: &str = "crypto-cli";

/// crypto-cli's image format.
#[derive(Clone, Copy, Debug)]
pub struct CryptoCli;

impl Format for CryptoCli {
    fn name(&self) -> &'static str {
        NAME
    }

    fn marks(&self, image: &Image) -> Result<bool, FormatError> {
        Ok(is_encrypted(image)?)
    }

    fn recognise(&self, image: &Image) -> Result<Option<Box<dyn EncryptedImage>>, FormatError> {
        let Some(raw) = &image.manifest else { return Ok(None) };
        let manifest = Manifest::parse(raw).map_err(FormatError::new)?;
        let wrapped_keys = WrappedKeys::of(&manifest)?;
        let encrypted =
            || Box::new(Encrypted { image: image.clone(), wrapped_keys: wrapped_keys.clone() });
        Ok(wrapped_keys.is_any().then(|| encrypted() as Box<dyn EncryptedImage>))
    }
}

/// An image in this format.
struct Encrypted {
    image: Image,
    wrapped_keys: WrappedKeys,
}

impl Encrypted {
    /// Returns the new passphrase, and refuses recipients.
    fn one_passphrase<'n>(&self, new: &'n NewReaders) -> Result<&'n Passphrase, RewrapError> {
        match &new.passphrase {
            Some(passphrase) if new.add.is_empty() && new.remove.is_empty() => Ok(passphrase),
            _ => Err(RewrapError::OnePassphrase),
        }
    }
}

impl EncryptedImage for Encrypted {
    fn description(&self) -> &'static str {
        match self.wrapped_keys.shape {
            Some(KeyDataShape::Url) => "crypto-cli, key data in the member \"urls\" (compat)",
            _ => "crypto-cli, key data in the member \"crypto\"",
        }
    }

    fn has_layer(&self, place: usize) -> bool {
        self.wrapped_keys.layers.get(place).is_some_and(Option::is_some)
    }

    fn has_config(&self) -> bool {
        self.wrapped_keys.config.is_some()
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
        let WrappedKeys { config, layers, .. } = &self.wrapped_keys;
        let all = config.iter().chain(layers.iter().flatten());
        let derivations: BTreeSet<_> = all.map(|data| (data.salt, data.iterations)).collect();
        KeyFacts::Derived {
            function: "PBKDF2-HMAC-SHA256",
            derivations: derivations.len(),
            iterations: derivations.iter().map(|(_, rounds)| u64::from(*rounds)).sum(),
        }
    }

    // The record of this format lists none.
    fn lists_all_readers(&self, _record: &SealedRecord) -> bool {
        true
    }

    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        ImageIdentity::of(platform, None, self.image.layers.iter().filter_map(Layer::digest))
    }

    fn private_layers(&self, passphrase: Option<&Passphrase>) -> Result<Vec<DiffId>, FormatError> {
        let Some(passphrase) = passphrase else { return Ok(Vec::new()) };
        // An image of another passphrase, or a manipulated one, tells nothing.
        let mut kdf = KeyDerivation::new(passphrase.clone());
        let Ok(Some(pushed)) = open_pushed(&self.image, &mut kdf) else { return Ok(Vec::new()) };
        let private = pushed.layers.iter().filter(|layer| layer.is_private());
        Ok(private.map(|layer| layer.diff_id).collect())
    }

    fn open(&self, keys: &Keys, terms: &Terms, _spool: &Spool) -> Result<Opened, FormatError> {
        let mut kdf = derivation(keys)?;
        Ok(decrypt(&self.image, &mut kdf, terms.unencrypted, terms.unbound)?)
    }

    fn open_keys(
        &self,
        keys: &Keys,
        new: &NewReaders,
        unbound: Unbound,
    ) -> Result<Box<dyn OpenKeys>, FormatError> {
        let fresh = FreshKey::derive(self.one_passphrase(new)?, new.iterations)?;
        let rewrapping = Rewrapping::open(&self.image, &mut derivation(keys)?, unbound)?;
        Ok(Box::new(OpenedKeys { rewrapping, fresh }))
    }

    fn encryption(&self, new: &NewReaders) -> Result<Box<dyn Encryption>, FormatError> {
        let shape = self.wrapped_keys.shape.unwrap_or(KeyDataShape::Member);
        let passphrase = self.one_passphrase(new)?.clone();
        Ok(Box::new(UnderPassphrase::new(passphrase, new.iterations, shape)))
    }

    fn refuse_to_seal(&self, binding: Binding) -> Result<(), FormatError> {
        match binding {
            Binding::None => Err(RewrapError::NotAuthenticated.into()),
            Binding::Version1 | Binding::Version2 => Ok(()),
        }
    }
}

fn derivation(keys: &Keys) -> Result<KeyDerivation, FormatError> {
    let (passphrase, budget) = keys.passphrase().map_err(FormatError::new)?;
    Ok(KeyDerivation::within(passphrase.clone(), budget.clone()))
}

/// An image whose keys are open, and the key under the new passphrase.
struct OpenedKeys {
    rewrapping: Rewrapping,
    fresh: FreshKey,
}

impl OpenKeys for OpenedKeys {
    fn binding(&self) -> Binding {
        self.rewrapping.binding()
    }

    fn record(&self) -> Option<&SealedRecord> {
        self.rewrapping.record()
    }

    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        self.rewrapping.identity(platform)
    }

    fn platform(&self) -> Option<Platform> {
        self.rewrapping.platform()
    }

    fn finish(
        self: Box<Self>,
        _new: &NewReaders,
        sealing: &Sealing,
    ) -> Result<Rewrapped, FormatError> {
        let image = self.rewrapping.finish(&self.fresh, sealing)?;
        Ok(Rewrapped { image, readers: Vec::new(), unnamed: 0 })
    }
}

/// Encryption under a passphrase: the passphrase encrypts images, and recognises those that were
/// pushed before.
pub struct UnderPassphrase {
    passphrase: Passphrase,
    key: Pending<Arc<FreshKey>>,
    shape: KeyDataShape,
    /// Derives the keys of images that were pushed before.
    earlier: Mutex<KeyDerivation>,
}

impl UnderPassphrase {
    /// Begins to derive a key from `passphrase` in `rounds` rounds. Key data will be written in `shape`.
    pub fn new(passphrase: Passphrase, rounds: u32, shape: KeyDataShape) -> Self {
        let derived = passphrase.clone();
        let key = Pending::begin(move || Ok(Arc::new(FreshKey::derive(&derived, rounds)?)));
        let earlier = Mutex::new(KeyDerivation::new(passphrase.clone()));
        Self { passphrase, key, shape, earlier }
    }
}

impl Encryption for UnderPassphrase {
    fn compression(&self) -> Compression {
        Compression::Gzip
    }

    fn passphrase(&self) -> Option<&Passphrase> {
        Some(&self.passphrase)
    }

    fn readers(&self, salt: &[u8; 16]) -> Option<Pending<Readers>> {
        let (passphrase, salt) = (self.passphrase.clone(), *salt);
        Some(Pending::begin(move || {
            Ok(Readers::new(NAME, [Reader::passphrase(&passphrase, &salt)].into()))
        }))
    }

    fn finds_earlier_layers(&self) -> bool {
        true
    }

    fn earlier(&self, image: &Image) -> Result<EarlierPush, FormatError> {
        let mut kdf = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        match open_pushed(image, &mut kdf) {
            Ok(Some(image)) => Ok(EarlierPush::Image(image)),
            Ok(None) => Ok(EarlierPush::Unbound),
            Err(
                error @ (DecryptError::WrongPassphrase
                | DecryptError::NotEncrypted
                | DecryptError::ConfigNotEncrypted
                | DecryptError::Kdf(_)),
            ) => Ok(EarlierPush::OfOthers(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    fn encryptor(
        &self,
        image: &Image,
        chosen: Chosen,
    ) -> Result<Box<dyn ImageEncryptor>, FormatError> {
        Ok(Box::new(Encryptor::new(image, chosen, self.key.wait()?, self.shape)?))
    }
}

/// Why the keys of an image cannot be put under another passphrase.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RewrapError {
    /// A new record would vouch for members that a stranger may have set.
    #[error(
        "nothing authenticates the platform, author and creation time of this image, which crypto-cli or sealcrate \
         0.1 wrote, and a new record would seal what a stranger may have set"
    )]
    NotAuthenticated,
    /// The caller names recipients, or no passphrase.
    #[error("the image is in the format of crypto-cli, which has one passphrase and no recipients")]
    OnePassphrase,
}

impl Classified for RewrapError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}

impl From<DecryptError> for FormatError {
    fn from(error: DecryptError) -> Self {
        Self::new(error)
    }
}

impl From<EncryptError> for FormatError {
    fn from(error: EncryptError) -> Self {
        Self::new(error)
    }
}

impl From<KeyDataError> for FormatError {
    fn from(error: KeyDataError) -> Self {
        Self::new(error)
    }
}

impl From<RewrapError> for FormatError {
    fn from(error: RewrapError) -> Self {
        Self::new(error)
    }
}
