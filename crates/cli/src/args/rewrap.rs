//! The arguments of `rewrap`.

use clap::Args;
use sealcrate_core::Attestations;
use sealcrate_crypt::crypto_cli::{DEFAULT_ITERATIONS, MAX_ITERATIONS, MIN_ITERATIONS};
use sealcrate_crypt::sealed::Home;

use super::push::Output;
use super::shared::common::Typed;
use super::{
    IdentityArgs, ImageName, MainRegistry, NewPassphraseArgs, PassphraseArgs, RegistryArgs,
};

#[derive(Debug, Args)]
pub(crate) struct RewrapArgs {
    /// Which image: a location, or a name in a registry
    #[arg(value_name = "IMAGE")]
    pub(crate) image: ImageName,
    /// Let this recipient open the image, too: as push --recipient takes it (repeatable)
    #[arg(long, value_name = "RECIPIENT", help_heading = "Change")]
    pub(crate) add: Vec<Typed>,
    /// Wrap no key to this recipient any more (repeatable)
    ///
    /// A former reader has the data keys, and can still read the layers that stay: --reencrypt makes new
    /// ones.
    #[arg(long, value_name = "RECIPIENT", help_heading = "Change", conflicts_with = "reencrypt")]
    pub(crate) remove: Vec<Typed>,
    /// Encrypt the layers anew under new data keys, to those alone whom --add and the new passphrase name
    #[arg(long, help_heading = "Change")]
    pub(crate) reencrypt: bool,
    /// Give the result this tag, and leave the image as it is
    #[arg(long, value_name = "TAG", help_heading = "Change")]
    pub(crate) to: Option<String>,
    /// The repository that the image was pushed to, where it lies in another one, or does not say
    #[arg(long, value_name = "NAME", help_heading = "Change")]
    pub(crate) home: Option<Home>,
    /// Leave attestations (provenance, SBOM) in an index
    #[arg(long, help_heading = "Change")]
    pub(crate) keep_attestations: bool,
    /// Rounds of the key derivation for a new passphrase, in the format of crypto-cli
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_ITERATIONS,
        help_heading = "Change",
        value_parser = clap::value_parser!(u32)
            .range(i64::from(MIN_ITERATIONS)..=i64::from(MAX_ITERATIONS))
    )]
    pub(crate) iterations: u32,
    #[command(flatten)]
    pub(crate) new_passphrase: NewPassphraseArgs,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) keys: IdentityArgs,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl RewrapArgs {
    /// Returns the treatment of attestations.
    pub(crate) fn attestations(&self) -> Attestations {
        if self.keep_attestations { Attestations::Keep } else { Attestations::Drop }
    }

    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        MainRegistry::in_name(&self.image)
    }
}
