//! Reading encrypted images: opening them, and rewrapping their keys.

use sealcrate_image::{DiffId, Outgoing, Platform, Spool};

use super::{Encryption, FormatError, Keys, NewReaders, StatedDigests, Terms};
use crate::Passphrase;
use crate::sealed::{Binding, ImageIdentity, SealedRecord, Sealing, Unbound};
use crate::select::Selection;

/// An image that is encrypted, as its manifest describes it. Nothing of it is authenticated.
pub trait EncryptedImage {
    /// Describes the format to people, in a few words.
    fn description(&self) -> &'static str;

    /// Tells whether the layer at `place`, lowest first from 0, is encrypted.
    fn has_layer(&self, place: usize) -> bool;

    /// Tells whether the config is encrypted.
    fn has_config(&self) -> bool;

    /// Tells whether a passphrase opens the image, perhaps beside other keys.
    fn takes_passphrase(&self) -> bool;

    /// Tells whether the image has recipients. Otherwise it has one passphrase alone.
    fn has_recipients(&self) -> bool;

    /// Tells whether any of `keys` is of a kind that this image is for.
    fn is_for(&self, keys: &Keys) -> bool;

    /// Returns the facts about the wrapping of keys that anybody can see.
    fn key_facts(&self) -> KeyFacts;

    /// Tells whether `record` lists exactly the wrapped keys that the image has.
    fn lists_all_readers(&self, record: &SealedRecord) -> bool;

    /// Returns the identity of the image in an index that states `platform` for it.
    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity;

    /// Returns the diff IDs of the encrypted layers, as far as the config or the passphrase shows them.
    ///
    /// # Errors
    /// The config is malformed.
    fn private_layers(&self, passphrase: Option<&Passphrase>) -> Result<Vec<DiffId>, FormatError>;

    /// Opens the image. Ciphertext waits in `spool`.
    ///
    /// # Errors
    /// The keys do not open it; it was changed; the terms refuse it.
    fn open(&self, keys: &Keys, terms: &Terms, spool: &Spool) -> Result<Opened, FormatError>;

    /// Opens the keys of the image for rewrapping, and reads no layer.
    ///
    /// # Errors
    /// As [`open`](Self::open); the format has no place for the new readers.
    fn open_keys(
        &self,
        keys: &Keys,
        new: &NewReaders,
        unbound: Unbound,
    ) -> Result<Box<dyn OpenKeys>, FormatError>;

    /// Returns the encryption of the same format for other readers. The history stays as it is.
    ///
    /// # Errors
    /// The format has no place for the new readers.
    fn encryption(&self, new: &NewReaders) -> Result<Box<dyn Encryption>, FormatError>;

    /// Refuses to seal an image of this binding anew, if a record would vouch for parts that a stranger
    /// may have set.
    ///
    /// # Errors
    /// Nothing authenticates parts of the image that a record seals.
    fn refuse_to_seal(&self, _binding: Binding) -> Result<(), FormatError> {
        Ok(())
    }

    /// Chooses the encrypted ones among `layers` layers.
    fn selection(&self, layers: usize) -> Selection {
        let places = (0..layers).filter(|&place| self.has_layer(place));
        Selection::Indices(places.filter_map(|place| i64::try_from(place).ok()).collect())
    }
}

/// The facts about the keys of an image that anybody can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFacts {
    /// A key is derived from a passphrase.
    Derived {
        /// The name of the function.
        function: &'static str,
        /// The number of derivations.
        derivations: usize,
        /// The rounds of all derivations together.
        iterations: u64,
    },
    /// Data keys are wrapped in these ways, each named once. A stranger may have written the names.
    Wrapped(Vec<String>),
}

/// An image that was opened.
pub struct Opened {
    /// The image. Its layers are decrypted while the caller reads them.
    pub image: Outgoing,
    /// The sealed record, if there is one.
    pub record: Option<Box<SealedRecord>>,
    /// The binding that holds the image together.
    pub binding: Binding,
    /// The digests that the writer stated for layers before encryption, where nothing binds them.
    pub stated: StatedDigests,
}

impl Opened {
    /// Takes an image that stays as it is, and has no record.
    pub fn unchanged(image: Outgoing) -> Self {
        Self { image, record: None, binding: Binding::None, stated: StatedDigests::default() }
    }
}

/// An image whose keys are open, and can be wrapped to others.
///
/// Layers stay the same, and so do the data keys: former readers who kept a key can still use it.
pub trait OpenKeys {
    /// Returns the binding that holds the image together.
    fn binding(&self) -> Binding;

    /// Returns the sealed record, if there is one.
    fn record(&self) -> Option<&SealedRecord>;

    /// Returns the identity of the image in an index that states `platform` for it.
    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity;

    /// Returns the platform that the config names.
    fn platform(&self) -> Option<Platform>;

    /// Wraps the keys for the new readers, and seals the record anew. The parts of `sealing` that there
    /// are replace the record's own.
    ///
    /// # Errors
    /// A reader to remove is not found; nobody would be left; a document becomes too large; the system
    /// gives no random bytes.
    fn finish(
        self: Box<Self>,
        new: &NewReaders,
        sealing: &Sealing,
    ) -> Result<Rewrapped, FormatError>;
}

/// An image for other readers.
pub struct Rewrapped {
    /// The image.
    pub image: Outgoing,
    /// The names of the readers, as far as they are known.
    pub readers: Vec<String>,
    /// The number of wrapped keys of a layer whose readers have no name.
    pub unnamed: usize,
}
