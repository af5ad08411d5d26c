//! The arguments of `copy`.

use clap::Args;
use sealcrate_image::Location;

use super::pull::ReadingArgs;
use super::push::{EncryptionArgs, Output};
use super::shared::common::location;
use super::{
    CompressionArgs, IdentityArgs, ImageRecipientArgs, MainRegistry, NewPassphraseArgs,
    PassphraseArgs, RegistryArgs, SelectionArgs,
};

#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// Where the image is
    #[arg(value_parser = location)]
    pub(crate) source: Location,
    /// Where it goes
    #[arg(value_parser = location)]
    pub(crate) destination: Location,
    /// Decrypt with the passphrase in SEALCRATE_PASS, or ask for it
    #[arg(long, help_heading = "Passphrase")]
    pub(crate) decrypt: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) keys: IdentityArgs,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    #[command(flatten)]
    pub(crate) new_passphrase: NewPassphraseArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
    #[command(flatten)]
    pub(crate) recipients: ImageRecipientArgs,
    #[command(flatten)]
    pub(crate) encryption: EncryptionArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl CopyArgs {
    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        MainRegistry::among([&self.source, &self.destination])
    }
}
