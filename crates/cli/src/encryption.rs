//! Encryption: the recipients or passphrase and the format that the user chose for images.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::ocicrypt::{self, History, RECORD_ANNOTATION, Recipient};
use sealcrate_crypt::pushed::{Pushed, PushedLayer, Reader, Readers};
use sealcrate_crypt::sealed::{ImageIdentity, LARGE_ANNOTATION_BYTES, Sealing};
use sealcrate_crypt::select::{Selection, choose};
use sealcrate_crypt::senetas::{self, FreshKey, KeyDataShape};
use sealcrate_image::engine::{ExportForm, Skipped};
use sealcrate_image::{
    Compression, Config, DiffId, Image, Layer, Manifest, Outgoing, Packing, Platform, Spool,
    Transfer,
};

use crate::args::{CompressionArgs, CompressionKind, EncryptionArgs, Format, ImageRecipientArgs};
use crate::failure::Usage;
use crate::{exposure, keys, report, talk};

/// The options of the command line about encryption.
#[derive(Clone, Copy)]
pub(crate) struct Wishes<'a> {
    pub(crate) recipients: &'a ImageRecipientArgs,
    pub(crate) encryption: &'a EncryptionArgs,
    pub(crate) compression: &'a CompressionArgs,
}

impl Wishes<'_> {
    /// Returns the format that the passphrase or the recipients belong to.
    ///
    /// # Errors
    /// Options that contradict each other, or that the format has no place for.
    pub(crate) fn format(&self) -> Result<Format> {
        let Self { recipients, encryption, compression } = self;
        let has_recipients = !recipients.recipient.is_empty();
        let format = recipients.format.unwrap_or(match has_recipients {
            true => Format::Oci,
            false => Format::CryptoCli,
        });
        let is_zstd = compression.compression == CompressionKind::Zstd;
        let contradiction = match format {
            Format::CryptoCli if has_recipients => {
                "the format crypto-cli holds a key under a passphrase, and none for recipients"
            }
            Format::CryptoCli if is_zstd => "the format crypto-cli has layers in gzip only",
            Format::CryptoCli if recipients.keep_history => {
                "the format crypto-cli has its history encrypted: --keep-history is for oci"
            }
            Format::Oci if encryption.compat => "--compat is for the format crypto-cli",
            _ => return Ok(format),
        };
        Err(Usage(contradiction.to_owned()).into())
    }

    fn history(&self) -> History {
        if self.recipients.keep_history { History::Keep } else { History::Scrub }
    }

    fn compression(&self) -> Compression {
        match self.compression.compression {
            CompressionKind::Gzip => Compression::Gzip,
            CompressionKind::Zstd => Compression::Zstd,
        }
    }

    /// Returns the config of `image` as it will be stored in clear if the layers at `places` are
    /// private; `None` where it will be encrypted.
    pub(crate) fn clear_config(
        &self,
        image: &Image,
        places: &BTreeSet<usize>,
    ) -> Result<Option<Config>> {
        Ok(match self.format()? {
            Format::CryptoCli => None,
            Format::Oci => Some(Config::parse(&self.history().applied(&image.config, places)?)?),
        })
    }
}

/// The keys that an image is encrypted to, in their format.
pub(crate) enum Encryption {
    /// A passphrase, in crypto-cli's format.
    CryptoCli(Pending<Arc<FreshKey>>, KeyDataShape, Passphrase),
    /// Recipients, in the format of OCI image encryption.
    Oci(ToRecipients),
}

/// Recipients, and the other choices that the format of OCI image encryption leaves open.
pub(crate) struct ToRecipients {
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
    fn new(
        recipients: Vec<Recipient>,
        passphrase: Option<Passphrase>,
        compression: Compression,
        history: History,
    ) -> Self {
        let keys = recipients.iter().map(Recipient::reader).collect();
        let recipients = with_passphrase(recipients, passphrase.clone());
        Self { recipients, keys, passphrase, compression, history }
    }
}

impl Encryption {
    /// Takes the recipients, and the passphrase that is named; if there is neither, the passphrase that `ask`
    /// finds. It derives keys from the passphrase while the caller goes on.
    pub(crate) fn begin(
        wishes: Wishes<'_>,
        named: Option<Passphrase>,
        ask: impl FnOnce() -> Result<Passphrase>,
    ) -> Result<Self> {
        let format = wishes.format()?;
        let recipients = keys::recipients(&wishes.recipients.recipient)?;
        let passphrase = match named {
            None if recipients.is_empty() => Some(ask()?),
            named => named,
        };
        Ok(match (format, passphrase) {
            (Format::CryptoCli, Some(passphrase)) => {
                let shape = match wishes.encryption.compat {
                    true => KeyDataShape::Url,
                    false => KeyDataShape::Member,
                };
                Self::under(passphrase, wishes.encryption.iterations, shape)
            }
            (_, passphrase) => {
                let (compression, history) = (wishes.compression(), wishes.history());
                Self::Oci(ToRecipients::new(recipients, passphrase, compression, history))
            }
        })
    }

    /// Begins to derive a key from a passphrase, for crypto-cli's format.
    pub(crate) fn under(passphrase: Passphrase, rounds: u32, shape: KeyDataShape) -> Self {
        let derived = passphrase.clone();
        let derive = move || Ok(Arc::new(FreshKey::derive(&derived, rounds)?));
        Self::CryptoCli(Pending::begin(derive), shape, passphrase)
    }

    /// Takes recipients for an image whose history stays as it is.
    pub(crate) fn again(recipients: Vec<Recipient>) -> Self {
        Self::Oci(ToRecipients::new(recipients, None, Compression::Gzip, History::Keep))
    }

    /// Returns the passphrase, if layers that were pushed under it can stay as they are.
    pub(crate) fn reusing(&self) -> Option<&Passphrase> {
        match self {
            Self::CryptoCli(_, _, passphrase) => Some(passphrase),
            Self::Oci(_) => None,
        }
    }

    /// Begins to work out which readers the image will have. `salt` tells passphrases apart. Returns `None`
    /// if a later push could not recognise the readers.
    pub(crate) fn readers(&self, salt: &[u8; 16]) -> Option<Pending<Readers>> {
        let (keys, passphrase) = match self {
            Self::CryptoCli(_, _, passphrase) => (None, Some(passphrase.clone())),
            Self::Oci(to) => (Some(to.keys.clone()?), to.passphrase.clone()),
        };
        let salt = *salt;
        Some(Pending::begin(move || {
            let has_it = passphrase.map(|passphrase| Reader::passphrase(&passphrase, &salt));
            Ok(match (keys, has_it) {
                (None, Some(reader)) => Readers::CryptoCli(reader),
                (keys, reader) => Readers::Oci(keys.into_iter().flatten().chain(reader).collect()),
            })
        }))
    }

    /// Returns the compression for layers that are not compressed yet.
    pub(crate) fn compression(&self) -> Compression {
        match self {
            Self::CryptoCli(..) => Compression::Gzip,
            Self::Oci(to) => to.compression,
        }
    }

    /// Returns the form in which an engine exports layers, without those that are `skipped`.
    pub(crate) fn export_form<'t>(
        &self,
        transfer: &'t Transfer,
        skipped: &'t Skipped,
    ) -> ExportForm<'t> {
        let packing = Packing { compressor: &transfer.compressor, compression: self.compression() };
        ExportForm::Packed { packing, skipped }
    }

    /// Prepares to encrypt the layers of `image` that `selection` chooses.
    pub(crate) fn encryptor(&self, image: &Image, selection: &Selection) -> Result<Encryptor> {
        if let Selection::Above(base) = selection {
            let (clear, all) = (base.len(), image.layers.len());
            talk::note(format!("layers of the base stay in clear: {clear} of {all}"));
        }
        match self {
            Self::CryptoCli(key, shape, _) => {
                // A wrong selection fails before the wait for the key.
                choose(image, selection)?;
                let encryptor = senetas::Encryptor::new(image, selection, key.wait()?, *shape)?;
                Ok(Encryptor::CryptoCli(encryptor))
            }
            Self::Oci(to) => {
                choose(image, selection)?;
                let encryptor = ocicrypt::Encryptor::new(
                    image,
                    selection,
                    to.recipients.wait()?,
                    to.compression,
                    to.history,
                )?;
                Ok(Encryptor::Oci(encryptor))
            }
        }
    }
}

/// Begins to make a passphrase one of the recipients.
fn with_passphrase(
    mut recipients: Vec<Recipient>,
    passphrase: Option<Passphrase>,
) -> Pending<Arc<[Recipient]>> {
    Pending::begin(move || {
        if let Some(passphrase) = passphrase {
            recipients.push(Recipient::passphrase(&passphrase)?);
        }
        Ok(recipients.into())
    })
}

/// A value that is being derived from a passphrase, once for all images of an index.
pub(crate) struct Pending<T> {
    derivation: RefCell<Option<thread::JoinHandle<Result<T>>>>,
    derived: OnceCell<T>,
}

impl<T: Clone + Send + 'static> Pending<T> {
    fn begin(derive: impl FnOnce() -> Result<T> + Send + 'static) -> Self {
        let derivation = RefCell::new(Some(thread::spawn(derive)));
        Self { derivation, derived: OnceCell::new() }
    }

    /// Waits for the value. After an error nobody calls it again.
    pub(crate) fn wait(&self) -> Result<T> {
        if let Some(handle) = self.derivation.take() {
            let derived = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            return Ok(self.derived.get_or_init(|| derived).clone());
        }
        Ok(self.derived.get().expect("it was derived before").clone())
    }
}

/// Warns of a record that some engines would copy into every container.
pub(crate) fn tell_large_record(image: &Image) {
    let Some(raw) = &image.manifest else { return };
    if raw.bytes().len() > LARGE_ANNOTATION_BYTES
        && let Ok(manifest) = Manifest::parse(raw)
        && let Some(record) = manifest.remarks.annotations.get(RECORD_ANNOTATION)
        && record.len() > LARGE_ANNOTATION_BYTES
    {
        talk::warn(format!(
            "the annotation with the image's sealed record is {} long, and some engines copy annotations into \
             containers: fewer annotations, or fewer recipients, make it shorter",
            report::bytes(record.len() as u64)
        ));
    }
}

/// Encrypts one image, in either format.
pub(crate) enum Encryptor {
    CryptoCli(senetas::Encryptor),
    Oci(ocicrypt::Encryptor),
}

impl Encryptor {
    /// Takes layers that were `pushed` before, to push them again as they are.
    pub(crate) fn reuse(self, pushed: Pushed) -> Self {
        match self {
            Self::CryptoCli(of) => Self::CryptoCli(of.reuse(pushed)),
            Self::Oci(of) => Self::Oci(of.reuse(pushed)),
        }
    }

    /// Returns the diff IDs of layers that were `pushed` before and cannot stay as they are.
    pub(crate) fn changed(&self, pushed: &Pushed, image: &Image) -> Vec<DiffId> {
        match self {
            Self::CryptoCli(of) => of.changed(pushed, image),
            Self::Oci(of) => of.changed(pushed, image),
        }
    }

    /// Returns the layer at `place` as it was pushed before, if it was.
    pub(crate) fn reused(&self, place: usize, layer: &Layer) -> Result<Option<Layer>> {
        Ok(match self {
            Self::CryptoCli(of) => of.reused(place, layer)?,
            Self::Oci(of) => of.reused(place, layer),
        })
    }

    /// Returns the layers of `encrypted`, which was made of `image`, as they are pushed.
    pub(crate) fn pushed(&self, image: &Image, encrypted: &Image) -> Vec<PushedLayer> {
        match self {
            Self::CryptoCli(of) => of.pushed(image, encrypted),
            Self::Oci(of) => of.pushed(encrypted),
        }
    }

    /// Returns the private layers of the images that the search found in earlier pushes.
    pub(crate) fn known_private(&self) -> Vec<DiffId> {
        match self {
            Self::CryptoCli(of) => of.known_private().collect(),
            Self::Oci(of) => of.known_private().collect(),
        }
    }

    /// Tells whether the config is encrypted as well.
    pub(crate) fn encrypts_config(&self) -> bool {
        matches!(self, Self::CryptoCli(_))
    }

    /// Tells whether the layer at `place` will be encrypted.
    pub(crate) fn encrypts(&self, place: usize) -> bool {
        match self {
            Self::CryptoCli(of) => of.encrypts(place),
            Self::Oci(of) => of.encrypts(place),
        }
    }

    /// Returns the layer at `place` in its stored form. If it is encrypted, its bytes go through `ahead`,
    /// since nobody can have them yet. A layer in clear may be at its destination already, which the caller
    /// asks first.
    pub(crate) fn layer(
        &self,
        place: usize,
        layer: &Layer,
        ahead: &Spool,
        transfer: &Transfer,
    ) -> Result<Layer> {
        let Transfer { compressor, progress, .. } = transfer;
        let spool = if self.encrypts(place) { ahead } else { &transfer.spool };
        Ok(match self {
            Self::CryptoCli(of) => of.layer(place, layer, compressor, spool, &**progress)?,
            Self::Oci(of) => of.layer(place, layer, compressor, spool, &**progress)?,
        })
    }

    /// Returns the identity of the image made of `layers`, in an index that states `platform` for it.
    pub(crate) fn identity(&self, platform: Option<&Platform>, layers: &[Layer]) -> ImageIdentity {
        match self {
            Self::CryptoCli(of) => of.identity(platform, layers),
            Self::Oci(of) => of.identity(platform, layers),
        }
    }

    /// Returns the encrypted `image` with its new `layers`, sealed with `sealing`. Warns of secrets that its
    /// config still shows.
    pub(crate) fn finish(
        &self,
        image: &Image,
        layers: Vec<Layer>,
        sealing: &Sealing,
    ) -> Result<Outgoing> {
        match self {
            Self::CryptoCli(of) => Ok(of.finish(image, layers, sealing)?),
            Self::Oci(of) => {
                let encrypted = of.finish(layers, sealing)?;
                tell_large_record(&encrypted);
                for exposed in exposure::of(&Config::parse(&encrypted.config)?) {
                    talk::warn(format!("anybody can read {exposed}: the config is in clear"));
                }
                Ok(encrypted)
            }
        }
    }
}
