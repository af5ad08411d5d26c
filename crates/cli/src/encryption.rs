//! Encryption: the options of the command line, and the format and keys that they stand for.

use std::collections::BTreeSet;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::crypto_cli::{KeyDataShape, UnderPassphrase};
use sealcrate_crypt::format::Encryption;
use sealcrate_crypt::ocicrypt::{History, ToRecipients};
use sealcrate_image::{Compression, Config, Image, Runtime};

use crate::args::{CompressionArgs, CompressionKind, EncryptionArgs, Format, ImageRecipientArgs};
use crate::keys;
use crate::output::failure::Usage;

/// The options of the command line about encryption.
#[derive(Clone, Copy)]
pub(crate) struct Wishes<'a> {
    pub(crate) recipients: &'a ImageRecipientArgs,
    pub(crate) encryption: &'a EncryptionArgs,
    pub(crate) compression: &'a CompressionArgs,
    /// Key providers are called on its threads.
    pub(crate) runtime: &'a Runtime,
}

impl Wishes<'_> {
    /// Returns the format that the passphrase or the recipients belong to.
    ///
    /// # Errors
    /// Options that contradict each other, or that the format has no place for.
    pub(crate) fn format(&self) -> Result<Format> {
        let Self { recipients, encryption, compression, runtime: _ } = self;
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
        let recipients = keys::recipients(&self.recipients.recipient, self.runtime)?;
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
