//! Rewrapping gives the keys of an image other recipients, and does not read its layers.

use std::io;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{
    Config, Descriptor, Digest, Family, Image, Layer, MAX_MANIFEST_BYTES, Manifest, ManifestError,
    Outgoing, Platform,
};
use thiserror::Error;

use super::annotations::{Encryption, MAX_WRAPS};
use super::decrypt::DecryptError;
use super::decrypt::unlock::{Held, Unlocked, UnlockedKey, data_keys, unlock};
use super::keys::Identity;
use super::readers;
use super::record::{self, RecordError, SealError};
use super::schemes::{FormerRecipient, Recipient};
use crate::format::Rewrapped;
use crate::sealed::{Binding, ImageIdentity, SealedReader, SealedRecord, Sealing, Unbound};

/// The recipients that an image gets, and those that it loses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'c> {
    /// New recipients.
    pub add: &'c [Recipient],
    /// Recipients to remove.
    pub remove: &'c [FormerRecipient],
}

/// An image whose keys are open, and can be wrapped to others.
///
/// Layers and config stay the same, and so do the data keys: former readers who kept a key can
/// still use it.
pub struct Rewrapping {
    unlocked: Unlocked,
    image: Image,
}

impl Rewrapping {
    /// Opens the keys of `image` with `identities`, and compares the image and its list of readers
    /// with its record.
    ///
    /// # Errors
    /// The errors of [`decrypt`](super::decrypt); the image has wrapped keys that the record does
    /// not list.
    pub fn open(
        image: &Image,
        identities: &[Identity],
        unbound: Unbound,
    ) -> Result<Self, RewrapError> {
        let unlocked = unlock(image, identities, unbound)?.ok_or(DecryptError::NotEncrypted)?;
        if let Held::Record(record) = &unlocked.held {
            let layers: Vec<_> = unlocked.encryptions.layers.iter().flatten().collect();
            if !readers::agree(&record.readers, &layers) {
                return Err(
                    DecryptError::from(RecordError::Contradiction("list of readers")).into()
                );
            }
        }
        Ok(Self { unlocked, image: image.clone() })
    }

    /// Returns the binding that holds the image together.
    pub fn binding(&self) -> Binding {
        self.unlocked.held.binding()
    }

    /// Returns the sealed record, where there is one.
    pub fn record(&self) -> Option<&SealedRecord> {
        match &self.unlocked.held {
            Held::Record(record) => Some(record),
            Held::Bindings(_) | Held::Nothing => None,
        }
    }

    /// Returns the identity of the image in an index that names `platform` for it.
    pub fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        let layers = self.unlocked.manifest.layers.iter().map(|layer| layer.digest);
        ImageIdentity::of(platform, Some(self.unlocked.manifest.config.digest), layers)
    }

    /// Returns the platform that the config names.
    pub fn platform(&self) -> Option<Platform> {
        Config::parse(&self.image.config).ok()?.platform()
    }

    /// Wraps the keys as `change` says. If the image has a record, seals it anew; the parts of
    /// `sealing` that there are replace the record's own.
    ///
    /// # Errors
    /// No wrapped key is known to be for a recipient to remove, and for nobody else: another tool
    /// may have written it. Nobody would be left. The manifest or the record becomes too large.
    pub fn finish(self, change: &Change<'_>, sealing: &Sealing) -> Result<Rewrapped, RewrapError> {
        let Unlocked { manifest, encryptions, keys, held, .. } = self.unlocked;
        let mut readers = match &held {
            Held::Record(record) => {
                let first = record.layers.iter().find(|layer| layer.plain.is_some());
                let layer = first.map(|layer| layer.stored.digest.short()).unwrap_or_default();
                Some(Listed::new(record.readers.clone(), change, layer)?)
            }
            Held::Bindings(_) | Held::Nothing => None,
        };
        let data_keys = data_keys(&manifest, &keys).map_err(DecryptError::from)?;
        let (mut layers, mut wrapped) = (Vec::with_capacity(keys.len()), 0);
        for (place, (encryption, key)) in encryptions.layers.into_iter().zip(keys).enumerate() {
            let Descriptor { media_type, digest, size, .. } = &manifest.layers[place];
            let mut descriptor = Descriptor::new(media_type.clone(), *digest, *size);
            match (encryption, key) {
                (Some(mut encryption), Some(key)) => {
                    match &mut readers {
                        Some(readers) => readers.change(&mut encryption, &key, change)?,
                        None => change_by_hints(&mut encryption, &key, change, *digest)?,
                    }
                    match encryption.wraps.len() {
                        0 => return Err(RewrapError::Nobody),
                        1..=MAX_WRAPS => {}
                        _ => return Err(RewrapError::TooMany),
                    }
                    wrapped = encryption.wraps.len();
                    encryption.put(&mut descriptor);
                }
                _ => {
                    if let Held::Record(record) = &held {
                        descriptor.annotations.clone_from(&record.layers[place].annotations);
                    }
                }
            }
            let stored = &self.image.layers[place];
            layers.push(Layer::stored(descriptor, stored.diff_id(), stored.content().clone()));
        }
        let Descriptor { media_type, digest, size, .. } = &manifest.config;
        let config = Descriptor::new(media_type.clone(), *digest, *size);
        let descriptors = layers.iter().filter_map(Layer::descriptor).cloned().collect();
        let mut new = Manifest::new(Family::Oci, config, descriptors);
        let mut names = Vec::new();
        if let (Held::Record(mut record), Some(readers)) = (held, readers) {
            names = readers.list.iter().map(|reader| reader.hint.clone()).collect();
            record.readers = readers.list;
            record.home = sealing.home.clone().or(record.home);
            record.index = sealing.table.clone().or(record.index);
            record::put(&record, &data_keys, &mut new)?;
        }
        let raw = new.to_raw();
        if raw.bytes().len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge.into());
        }
        let unnamed = wrapped.saturating_sub(names.len());
        let image = Image { manifest: Some(raw), ..Image::new(self.image.config, layers) };
        let image = Outgoing::built(image);
        Ok(Rewrapped { image, readers: names, unnamed })
    }
}

/// The list of readers in a record, while it changes.
struct Listed {
    /// The readers who stay, then the new ones.
    list: Vec<SealedReader>,
    /// The wrapped keys of the readers who stay, for each encrypted layer.
    kept: Vec<Vec<Digest>>,
    /// How many encrypted layers have been changed.
    done: usize,
}

impl Listed {
    fn new(
        listed: Vec<SealedReader>,
        change: &Change<'_>,
        layer: String,
    ) -> Result<Self, RewrapError> {
        let mut list = listed;
        let layers = list.first().map_or(0, |reader| reader.items.len());
        for (recipient, former) in change.remove.iter().enumerate() {
            let (names, before) = (former.names(), list.len());
            list.retain(|reader| !names.contains(&reader.hint));
            if list.len() == before {
                return Err(RewrapError::NotARecipient { recipient, layer });
            }
        }
        let kept = (0..layers).map(|place| list.iter().map(|reader| reader.items[place]).collect());
        let kept = kept.collect();
        list.extend(
            change.add.iter().map(|of| SealedReader { hint: of.name(), items: Vec::new() }),
        );
        Ok(Self { list, kept, done: 0 })
    }

    /// Changes the wrapped keys of the next encrypted layer.
    fn change(
        &mut self,
        encryption: &mut Encryption,
        key: &UnlockedKey,
        change: &Change<'_>,
    ) -> Result<(), RewrapError> {
        let kept = &self.kept[self.done];
        encryption.wraps.retain(|(_, item)| kept.contains(&Digest::of(item)));
        let first_new = self.list.len() - change.add.len();
        for (recipient, reader) in change.add.iter().zip(&mut self.list[first_new..]) {
            let wrap = recipient.wrap(&key.content, &key.options.key)?;
            reader.items.push(Digest::of(&wrap.1));
            encryption.wraps.push(wrap);
        }
        self.done += 1;
        Ok(())
    }
}

/// Changes the wrapped keys of a layer in an image without a list of readers: hints name their
/// recipients.
fn change_by_hints(
    encryption: &mut Encryption,
    key: &UnlockedKey,
    change: &Change<'_>,
    layer: Digest,
) -> Result<(), RewrapError> {
    let UnlockedKey { content, options } = key;
    for (recipient, former) in change.remove.iter().enumerate() {
        let before = encryption.wraps.len();
        let is_for = |name: &str, item: &[u8]| former.is_only_one_of(name, item, &options.key);
        encryption.wraps.retain(|(name, item)| !is_for(name, item));
        if encryption.wraps.len() == before {
            return Err(RewrapError::NotARecipient { recipient, layer: layer.short() });
        }
    }
    for recipient in change.add {
        encryption.wraps.push(recipient.wrap(content, &options.key)?);
    }
    Ok(())
}

/// Why an image's keys cannot be wrapped to others.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The keys cannot be opened.
    #[error("{0}")]
    Decrypt(#[from] DecryptError),
    /// The system gives no random bytes.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The manifest becomes too large.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The change would remove everybody.
    #[error("nobody would be left who can open the image")]
    Nobody,
    /// No wrapped key of a layer is known to be for a recipient to remove.
    #[error("layer {layer} is not known to be encrypted to one whom to remove, no. {}", recipient + 1)]
    NotARecipient {
        /// The recipient's place among the recipients to remove, from 0.
        recipient: usize,
        /// The layer.
        layer: String,
    },
    /// The record cannot be sealed.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// There would be more wrapped keys than readers look at.
    #[error("the image would be encrypted to more than {MAX_WRAPS} recipients")]
    TooMany,
}

impl Classified for RewrapError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Nobody | Self::NotARecipient { .. } | Self::TooMany => Some(ErrorClass::Failure),
            Self::Decrypt(_) | Self::Io(_) | Self::Manifest(_) | Self::Seal(_) => None,
        }
    }
}
