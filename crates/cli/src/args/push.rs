//! The arguments of `push`.

use clap::{Args, ValueEnum};
use sealcrate_core::{Attestations, Doubts, Exposure};
use sealcrate_crypt::crypto_cli::{DEFAULT_ITERATIONS, MAX_ITERATIONS, MIN_ITERATIONS};
use sealcrate_image::{Location, Platform, Reference};

use super::shared::common::{location, platform};
use super::{
    CompressionArgs, ImageRecipientArgs, MainRegistry, PassphraseArgs, RegistryArgs, SelectionArgs,
};

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Where the image goes: NAME[:TAG]
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: Reference,
    /// Take the image from here instead of from the Docker engine
    #[arg(long, value_name = "LOCATION", value_parser = location)]
    pub(crate) from: Option<Location>,
    /// Of several platforms, take this one: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// Push attestations (provenance, SBOM) as well, though they tell of the build in clear
    #[arg(long)]
    pub(crate) keep_attestations: bool,
    /// Say what would be encrypted and what would stay visible, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Look for layers that need not be sent again in this image, too (repeatable)
    #[arg(long, value_name = "NAME[:TAG]")]
    pub(crate) cache_from: Vec<Reference>,
    /// Send every layer, encrypted anew, and remember nothing of it
    #[arg(long, conflicts_with = "cache_from")]
    pub(crate) no_cache: bool,
    /// Use layers again that somebody else may have given to further readers
    ///
    /// Without this, private layers that this machine remembers are encrypted anew where a tag under which
    /// it pushed them was changed since, or none is left, or the target's tag is not from here.
    #[arg(long, conflicts_with = "no_cache")]
    pub(crate) reuse_anyway: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// How the image is encrypted
    #[arg(
        long = "type",
        value_enum,
        default_value_t,
        value_name = "TYPE",
        help_heading = "Encryption"
    )]
    pub(crate) encryption_type: EncryptionType,
    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
    #[command(flatten)]
    pub(crate) recipients: ImageRecipientArgs,
    #[command(flatten)]
    pub(crate) encryption: EncryptionArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl PushArgs {
    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        MainRegistry::of(self.name.repository())
    }

    /// Returns the treatment of attestations.
    pub(crate) fn attestations(&self) -> Attestations {
        if self.keep_attestations { Attestations::Keep } else { Attestations::Drop }
    }

    /// Returns whether to use layers again whose tags do not stand as this machine left them.
    pub(crate) fn doubts(&self) -> Doubts {
        if self.reuse_anyway { Doubts::Ignore } else { Doubts::Heed }
    }
}

/// How an image is encrypted.
#[derive(Debug, Args)]
pub(crate) struct EncryptionArgs {
    /// Write the key data where registries with strict schemas keep it
    #[arg(long, help_heading = "Encryption")]
    pub(crate) compat: bool,
    /// Leave layers, or the config, in clear that were private before
    #[arg(long, help_heading = "Encryption")]
    pub(crate) allow_exposing: bool,
    /// Rounds of the key derivation
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_ITERATIONS,
        help_heading = "Encryption",
        value_parser = clap::value_parser!(u32)
            .range(i64::from(MIN_ITERATIONS)..=i64::from(MAX_ITERATIONS))
    )]
    pub(crate) iterations: u32,
}

impl EncryptionArgs {
    /// Returns the treatment of parts that were private before and would be in clear.
    pub(crate) fn exposure(&self) -> Exposure {
        if self.allow_exposing { Exposure::Allow } else { Exposure::Refuse }
    }
}

/// The types of encryption, by crypto-cli's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum EncryptionType {
    /// Under a passphrase
    #[default]
    #[value(name = "PBKDF2-AES256-GCM")]
    Passphrase,
    /// Not at all
    #[value(name = "NONE")]
    None,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// As JSON
    Json,
}
