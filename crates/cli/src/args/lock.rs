//! The arguments of `lock` and `unlock`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sealcrate_core::Exposure;
use sealcrate_image::{Location, Platform, Reference};

use super::push::Output;
use super::shared::common::{location, platform};
use super::{
    CompressionArgs, ImageName, MainRegistry, OpenerArgs, PassphraseArgs, RegistryArgs,
    SelectionArgs,
};

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// The image, in the Docker engine unless --from says where
    #[arg(value_name = "IMAGE", required_unless_present = "from")]
    pub(crate) image: Option<Reference>,
    /// Take the image from here instead of from the Docker engine
    #[arg(long, value_name = "LOCATION", value_parser = location, conflicts_with = "image")]
    pub(crate) from: Option<Location>,
    /// Name the locked image in the Docker engine
    #[arg(short, long, value_name = "NAME", required_unless_present = "to")]
    pub(crate) tag: Option<Reference>,
    /// Write the locked image here instead of to the Docker engine
    #[arg(long, value_name = "LOCATION", value_parser = location, conflicts_with = "tag")]
    pub(crate) to: Option<Location>,
    /// Of several platforms, take this one: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// Use unchanged private layers of this locked image again: a location, or a name in the place where
    /// the new one goes; for recipients by digest (repeatable)
    #[arg(long, value_name = "IMAGE")]
    pub(crate) cache_from: Vec<ImageName>,
    /// Open what --cache-from names with the identities in this file ("-" is standard input)
    #[arg(short, long, value_name = "FILE", requires = "cache_from")]
    pub(crate) identity: Option<PathBuf>,
    /// Lock without device nodes, set-ID bits, file capabilities, and private files in mount points
    #[arg(long)]
    pub(crate) force: bool,
    /// Push layers in clear that are known to be private
    #[arg(long)]
    pub(crate) allow_exposing: bool,
    /// Print what starts the locked image, instead of its name
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "output")]
    pub(crate) print: Option<DeploymentForm>,
    /// Leave so many MiB in what --print prints for files that programs write beside the unlocked ones
    #[arg(long, value_name = "MIB", default_value_t = 64, requires = "print",
        value_parser = clap::value_parser!(u32).range(..=1 << 20))]
    pub(crate) headroom: u32,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) start: LockedStartArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) openers: OpenerArgs,
    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl LockArgs {
    /// Returns the treatment of layers that were private before and would be in clear.
    pub(crate) fn exposure(&self) -> Exposure {
        if self.allow_exposing { Exposure::Allow } else { Exposure::Refuse }
    }

    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        let named =
            self.cache_from.iter().chain(&self.selection.base).filter_map(|name| match name {
                ImageName::Location(location) => Some(location),
                ImageName::Name(_) => None,
            });
        MainRegistry::among(self.from.iter().chain(&self.to).chain(named))
    }
}

/// The programs that start a locked image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeploymentForm {
    /// A command line of Docker
    Run,
    /// A file of Compose
    Compose,
    /// A pod and its volumes
    Kubernetes,
}

/// Which paths of an image stay where they are.
#[derive(Debug, Args)]
pub(crate) struct PathArgs {
    /// Leave this private file or folder in clear (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Paths")]
    pub(crate) public: Vec<String>,
    /// Keep this folder, with nothing private in it, one that something can be mounted at, or that an
    /// image built FROM the locked one can add files to (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Paths")]
    pub(crate) mountpoint: Vec<String>,
    /// Unlock this clear folder whole, with its clear files, so that edits of private files in it stay
    /// in memory (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Paths")]
    pub(crate) whole: Vec<String>,
    /// Make no volume of this path, though the image does (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Paths")]
    pub(crate) drop_volume: Vec<String>,
    /// Start even if this clear file or folder is not the one that was locked; / is all (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Paths")]
    pub(crate) unchecked: Vec<String>,
}

/// The behaviour of a locked image at its start.
#[derive(Debug, Args)]
pub(crate) struct LockedStartArgs {
    /// Look for the key in this variable, then in the file that NAME_FILE names
    #[arg(
        long = "env",
        value_name = "NAME",
        default_value = "SEALCRATE_KEY",
        help_heading = "At the start"
    )]
    pub(crate) variable: String,
    /// Then in this file, instead of /run/secrets/ and the variable's name in lower case
    #[arg(long, value_name = "PATH", help_heading = "At the start")]
    pub(crate) start_key_file: Option<PathBuf>,
    /// Show the text in this file before asking for the key on a terminal
    #[arg(short, long, value_name = "FILE", help_heading = "At the start")]
    pub(crate) banner: Option<PathBuf>,
    /// Allow that the private files are unlocked on a disk
    #[arg(long, help_heading = "At the start")]
    pub(crate) allow_disk: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UnlockArgs {
    /// The locked image, in the Docker engine unless --from says where
    #[arg(value_name = "IMAGE", required_unless_present = "from")]
    pub(crate) image: Option<Reference>,
    /// Take the image from here instead of from the Docker engine
    #[arg(long, value_name = "LOCATION", value_parser = location, conflicts_with = "image")]
    pub(crate) from: Option<Location>,
    /// Name the original image in the Docker engine, instead of giving it the locked one's name
    #[arg(short, long, value_name = "NAME")]
    pub(crate) tag: Option<Reference>,
    /// Write the original image here instead of to the Docker engine
    #[arg(long, value_name = "LOCATION", value_parser = location, conflicts_with = "tag")]
    pub(crate) to: Option<Location>,
    /// Write the original image to a registry, if --to says so
    #[arg(long)]
    pub(crate) publish_decrypted: bool,
    /// Of several platforms, take this one: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// Unlock it with the identities in this file ("-" is standard input)
    #[arg(short, long, value_name = "FILE", conflicts_with = "passphrase")]
    pub(crate) identity: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl UnlockArgs {
    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        MainRegistry::among(self.from.iter().chain(&self.to))
    }
}
