//! Encryption: the options of the command line, and the format and keys that they stand for.

use std::collections::BTreeSet;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::crypto_cli::{KeyDataShape, UnderPassphrase};
use sealcrate_crypt::format::{Encryption, ImageEncryptor};
use sealcrate_crypt::formats::choose;
use sealcrate_crypt::ocicrypt::{History, RECORD_ANNOTATION, ToRecipients};
use sealcrate_crypt::sealed::{LARGE_ANNOTATION_BYTES, Sealing};
use sealcrate_crypt::select::Selection;
use sealcrate_image::engine::{ExportForm, Spared};
use sealcrate_image::{Compression, Config, Image, Layer, Manifest, Outgoing, Packing, Transfer};

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

    /// Takes the recipients, and the passphrase that is named; if there is neither, the passphrase that `ask`
    /// finds. It derives keys from the passphrase while the caller goes on.
    pub(crate) fn encryption(
        self,
        named: Option<Passphrase>,
        ask: impl FnOnce() -> Result<Passphrase>,
    ) -> Result<Box<dyn Encryption>> {
        let format = self.format()?;
        let recipients = keys::recipients(&self.recipients.recipient)?;
        let passphrase = match named {
            None if recipients.is_empty() => Some(ask()?),
            named => named,
        };
        Ok(match (format, passphrase) {
            (Format::CryptoCli, Some(passphrase)) => {
                let shape = match self.encryption.compat {
                    true => KeyDataShape::Url,
                    false => KeyDataShape::Member,
                };
                Box::new(UnderPassphrase::new(passphrase, self.encryption.iterations, shape))
            }
            (_, passphrase) => {
                let (compression, history) = (self.compression(), self.history());
                Box::new(ToRecipients::new(recipients, passphrase, compression, history))
            }
        })
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

/// Returns the form in which an engine exports layers, without those that are `spared`.
pub(crate) fn export_form<'t>(
    encryption: &dyn Encryption,
    transfer: &'t Transfer,
    spared: &'t Spared,
) -> ExportForm<'t> {
    let compression = encryption.compression();
    let packing = Packing { compressor: &transfer.compressor, compression };
    ExportForm::Packed { packing, spared }
}

/// Prepares to encrypt the layers of `image` that `selection` chooses.
pub(crate) fn encryptor(
    encryption: &dyn Encryption,
    image: &Image,
    selection: &Selection,
) -> Result<Box<dyn ImageEncryptor>> {
    if let Selection::Above(base) = selection {
        let (clear, all) = (base.len(), image.layers.len());
        talk::note(format!("layers of the base stay in clear: {clear} of {all}"));
    }
    // A wrong selection fails before the wait for the key.
    Ok(encryption.encryptor(image, choose(image, selection)?)?)
}

/// Returns the encrypted image of `layers`, sealed with `sealing`. Warns of secrets that its config still
/// shows.
pub(crate) fn finish(
    encryptor: &dyn ImageEncryptor,
    layers: Vec<Layer>,
    sealing: &Sealing,
) -> Result<Outgoing> {
    let encrypted = encryptor.finish(layers, sealing)?;
    if !encryptor.encrypts_config() {
        tell_large_record(&encrypted);
        for exposed in exposure::of(&Config::parse(&encrypted.config)?) {
            talk::warn(format!("anybody can read {exposed}: the config is in clear"));
        }
    }
    Ok(encrypted)
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
