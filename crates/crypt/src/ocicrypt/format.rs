//! OCI image encryption, as callers of [`formats`](crate::formats) see it.

use std::collections::BTreeSet;
use std::sync::Arc;

use sealcrate_image::{Compression, Config, DiffId, Image, Layer, Manifest, Platform, Spool};

use super::annotations::{LayerEncryptionError, LayerEncryptions, is_encrypted};
use super::decrypt::{DecryptError, decrypt};
use super::encrypt::{EncryptError, Encryptor};
use super::history::History;
use super::keys::Identity;
use super::readers::lists_all;
use super::rewrap::{Change, RewrapError, Rewrapping};
use super::schemes::Recipient;
use crate::Passphrase;
use crate::format::{
    EncryptedImage, Encryption, Format, FormatError, ImageEncryptor, KeyFacts, Keys, NewReaders,
    OpenKeys, Opened, Pending, Rewrapped, Terms,
};
use crate::pushed::{Reader, Readers};
use crate::sealed::{Binding, ImageIdentity, SealedRecord, Sealing, Unbound};
use crate::select::Chosen;

/// The name of the format.
const NAME: &str = "oci";

/// OCI image encryption.
#[derive(Clone, Copy, Debug)]
pub struct OciCrypt;

impl Format for OciCrypt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn marks(&self, image: &Image) -> Result<bool, FormatError> {
        Ok(is_encrypted(image))
    }

    fn recognise(&self, image: &Image) -> Result<Option<Box<dyn EncryptedImage>>, FormatError> {
        let Some(raw) = &image.manifest else { return Ok(None) };
        let manifest = Manifest::parse(raw).map_err(FormatError::new)?;
        let encryptions = LayerEncryptions::of(&manifest)?;
        let encrypted =
            || Box::new(Encrypted { image: image.clone(), encryptions: encryptions.clone() });
        Ok(encryptions.is_any().then(|| encrypted() as Box<dyn EncryptedImage>))
    }
}

/// An image in this format.
struct Encrypted {
    image: Image,
    encryptions: LayerEncryptions,
}

impl Encrypted {
    /// Returns the identities among `keys`. A passphrase counts only where the image has one.
    fn identities(&self, keys: &Keys) -> Result<Vec<Identity>, FormatError> {
        match self.encryptions.takes_passphrase() && keys.has_passphrase() {
            true => Ok(keys.identities_and_passphrase()),
            false => keys.identities().map_err(FormatError::new),
        }
    }
}

impl EncryptedImage for Encrypted {
    fn description(&self) -> &'static str {
        "OCI image encryption"
    }

    fn has_layer(&self, place: usize) -> bool {
        self.encryptions.layers.get(place).is_some_and(Option::is_some)
    }

    fn has_config(&self) -> bool {
        false
    }

    fn takes_passphrase(&self) -> bool {
        self.encryptions.takes_passphrase()
    }

    fn has_recipients(&self) -> bool {
        true
    }

    fn is_for(&self, keys: &Keys) -> bool {
        // A passphrase in the environment need not be for this image.
        keys.has_identity() || self.takes_passphrase() && keys.is_any()
    }

    fn key_facts(&self) -> KeyFacts {
        KeyFacts::Wrapped(self.encryptions.schemes().into_iter().collect())
    }

    fn lists_all_readers(&self, record: &SealedRecord) -> bool {
        lists_all(record, &self.encryptions)
    }

    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        let layers = self.image.layers.iter().filter_map(Layer::digest);
        ImageIdentity::of(platform, Some(self.image.id()), layers)
    }

    fn private_layers(&self, _passphrase: Option<&Passphrase>) -> Result<Vec<DiffId>, FormatError> {
        let config = Config::parse(&self.image.config).map_err(FormatError::new)?;
        let layers = self.encryptions.layers.iter().zip(config.diff_ids());
        Ok(layers.filter(|(layer, _)| layer.is_some()).map(|(_, id)| *id).collect())
    }

    fn open(&self, keys: &Keys, terms: &Terms, spool: &Spool) -> Result<Opened, FormatError> {
        let identities = self.identities(keys)?;
        Ok(decrypt(&self.image, &identities, terms.unbound, spool)?)
    }

    fn open_keys(
        &self,
        keys: &Keys,
        new: &NewReaders,
        unbound: Unbound,
    ) -> Result<Box<dyn OpenKeys>, FormatError> {
        // A passphrase that is no text fails before anything is opened.
        new.recipients().map_err(EncryptError::Io).map_err(FormatError::new)?;
        let identities = self.identities(keys)?;
        Ok(Box::new(Rewrapping::open(&self.image, &identities, unbound)?))
    }

    fn encryption(&self, new: &NewReaders) -> Result<Box<dyn Encryption>, FormatError> {
        let recipients = new.recipients().map_err(EncryptError::Io).map_err(FormatError::new)?;
        Ok(Box::new(ToRecipients::new(recipients, None, Compression::Gzip, History::Keep)))
    }
}

impl OpenKeys for Rewrapping {
    fn binding(&self) -> Binding {
        self.binding()
    }

    fn record(&self) -> Option<&SealedRecord> {
        self.record()
    }

    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        self.identity(platform)
    }

    fn platform(&self) -> Option<Platform> {
        self.platform()
    }

    fn finish(
        self: Box<Self>,
        new: &NewReaders,
        sealing: &Sealing,
    ) -> Result<Rewrapped, FormatError> {
        let add = new.recipients().map_err(EncryptError::Io).map_err(FormatError::new)?;
        Ok(Self::finish(*self, &Change { add: &add, remove: &new.remove }, sealing)?)
    }
}

/// Encryption to recipients, and the other choices that the format leaves open.
pub struct ToRecipients {
    /// All of them.
    recipients: Pending<Arc<[Recipient]>>,
    /// The recipients with keys; `None` if one of them cannot be recognised in a later push.
    keys: Option<BTreeSet<Reader>>,
    /// The passphrase, for readers without a key.
    passphrase: Option<Passphrase>,
    compression: Compression,
    history: History,
}

impl ToRecipients {
    /// Takes recipients, and begins to make the passphrase one of them. Layers without compression get
    /// `compression`. `history` decides which text about private layers the config keeps.
    pub fn new(
        mut recipients: Vec<Recipient>,
        passphrase: Option<Passphrase>,
        compression: Compression,
        history: History,
    ) -> Self {
        let keys = recipients.iter().map(Recipient::reader).collect();
        let one_more = passphrase.clone();
        let recipients = Pending::begin(move || {
            if let Some(passphrase) = one_more {
                recipients.push(
                    Recipient::passphrase(&passphrase)
                        .map_err(EncryptError::Io)
                        .map_err(FormatError::new)?,
                );
            }
            Ok(recipients.into())
        });
        Self { recipients, keys, passphrase, compression, history }
    }
}

impl Encryption for ToRecipients {
    fn compression(&self) -> Compression {
        self.compression
    }

    fn passphrase(&self) -> Option<&Passphrase> {
        self.passphrase.as_ref()
    }

    fn readers(&self, salt: &[u8; 16]) -> Option<Pending<Readers>> {
        let (mut readers, passphrase, salt) = (self.keys.clone()?, self.passphrase.clone(), *salt);
        Some(Pending::begin(move || {
            readers.extend(passphrase.map(|passphrase| Reader::passphrase(&passphrase, &salt)));
            Ok(Readers::new(NAME, readers))
        }))
    }

    fn encryptor(
        &self,
        image: &Image,
        chosen: Chosen,
    ) -> Result<Box<dyn ImageEncryptor>, FormatError> {
        let (recipients, history) = (self.recipients.wait()?, self.history);
        Ok(Box::new(Encryptor::new(image, chosen, recipients, self.compression, history)?))
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

impl From<LayerEncryptionError> for FormatError {
    fn from(error: LayerEncryptionError) -> Self {
        Self::new(error)
    }
}

impl From<RewrapError> for FormatError {
    fn from(error: RewrapError) -> Self {
        Self::new(error)
    }
}
