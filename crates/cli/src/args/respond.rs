//! The arguments of `respond`.

use std::path::PathBuf;

use clap::Args;
use sealcrate_core::ProgramLocation;
use sealcrate_image::{LocationError, Platform};

use super::shared::common::{ImageNameError, platform};
use super::{MainRegistry, RegistryArgs};

#[derive(Debug, Args)]
pub(crate) struct RespondArgs {
    /// The challenge that the program shows; without, it is read from standard input
    pub(crate) challenge: Option<String>,
    /// Open it with the identities in this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity: PathBuf,
    /// The packed program that asks, or the image that holds it: nothing else is answered
    #[arg(long = "for", value_name = "FILE|LOCATION", value_parser = program)]
    pub(crate) program: ProgramLocation,
    /// Of several platforms, search the image for this one: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl RespondArgs {
    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        match &self.program {
            ProgramLocation::File(_) => MainRegistry::None,
            ProgramLocation::Image(location) => MainRegistry::among([location]),
        }
    }
}

/// Takes a text that begins as a location does for one, and every other text for a file.
fn program(text: &str) -> Result<ProgramLocation, ImageNameError> {
    match text.parse() {
        Ok(location) => Ok(ProgramLocation::Image(location)),
        Err(LocationError::NoTransport(_) | LocationError::UnknownTransport(_)) => {
            Ok(ProgramLocation::File(text.into()))
        }
        Err(error) => Err(ImageNameError::Location(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_told_from_files() {
        for file in ["/app.packed", "app", "a:b", "./oci:x"] {
            assert_eq!(program(file).unwrap(), ProgramLocation::File(file.into()));
        }
        for image in ["docker-daemon:app:1", "oci:layout", "docker://example.org/app:1"] {
            assert_eq!(program(image).unwrap(), ProgramLocation::Image(image.parse().unwrap()));
        }
        assert!(program("docker:app").is_err());
    }
}
