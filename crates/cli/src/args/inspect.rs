//! The arguments of `inspect`.

use clap::Args;
use sealcrate_image::Platform;

use super::push::Output;
use super::shared::common::platform;
use super::{IdentityArgs, ImageName, MainRegistry, PassphraseArgs, RegistryArgs};

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Which image: a location, or a name in a registry
    #[arg(value_name = "IMAGE")]
    pub(crate) image: ImageName,
    /// Of several platforms, show this one: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
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

impl InspectArgs {
    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        MainRegistry::in_name(&self.image)
    }
}
