//! The arguments of `pull`.

use clap::Args;
use sealcrate_core::{Attestations, Publication};
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::sealed::Home;
use sealcrate_image::{Location, Platform, Reference};

use super::push::Output;
use super::shared::common::{location, platform};
use super::{IdentityArgs, MainRegistry, PassphraseArgs, RegistryArgs};

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Which image: NAME[:TAG|@DIGEST]
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    pub(crate) name: Reference,
    /// Write the image here instead of into the Docker engine
    #[arg(long, value_name = "LOCATION", value_parser = location, conflicts_with = "new_name")]
    pub(crate) to: Option<Location>,
    /// Give the decrypted image this name in the engine
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) new_name: Option<Reference>,
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
    pub(crate) registry: RegistryArgs,
}

impl PullArgs {
    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        MainRegistry::of(self.name.repository())
    }
}

/// Which image to take, and which images to accept.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Of several platforms, take this one: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// Accept an image, or a config, that is not encrypted
    #[arg(long)]
    pub(crate) allow_unencrypted: bool,
    /// Take attestations (provenance, SBOM) out of an encrypted index as well
    #[arg(long)]
    pub(crate) keep_attestations: bool,
    /// The repository that the image was pushed to, where it is read from another one
    #[arg(long, value_name = "NAME")]
    pub(crate) home: Option<Home>,
    /// Allow a decrypted image to be written to a registry
    #[arg(long)]
    pub(crate) publish_decrypted: bool,
}

impl ReadingArgs {
    /// Returns whether attestations stay in an index that is opened.
    pub(crate) fn attestations(&self) -> Attestations {
        if self.keep_attestations { Attestations::Keep } else { Attestations::Drop }
    }

    /// Returns the treatment of decrypted images that would be published.
    pub(crate) fn publication(&self) -> Publication {
        if self.publish_decrypted { Publication::Allow } else { Publication::Refuse }
    }

    /// Returns whether to accept an unencrypted image although a key was given.
    pub(crate) fn unencrypted(&self) -> Unencrypted {
        if self.allow_unencrypted { Unencrypted::Accept } else { Unencrypted::Refuse }
    }
}
