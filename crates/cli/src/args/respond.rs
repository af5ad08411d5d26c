//! The arguments of `respond`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use sealcrate_image::{Location, LocationError, Platform};

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
    #[arg(long = "for", value_name = "FILE|LOCATION", value_parser = subject)]
    pub(crate) subject: Subject,
    /// Of several platforms, search the image for this one: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl RespondArgs {
    /// Returns the registry that the command is about.
    pub(crate) fn main_registry(&self) -> MainRegistry {
        match &self.subject {
            Subject::File(_) => MainRegistry::None,
            Subject::Image(location) => MainRegistry::among([location]),
        }
    }
}

/// The place of a packed program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// It is this file.
    File(PathBuf),
    /// It is somewhere in this image.
    Image(Location),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Image(location) => location.fmt(f),
        }
    }
}

/// Takes a text that begins as a location does for one, and every other text for a file.
fn subject(text: &str) -> Result<Subject, ImageNameError> {
    match text.parse() {
        Ok(location) => Ok(Subject::Image(location)),
        Err(LocationError::NoTransport(_) | LocationError::UnknownTransport(_)) => {
            Ok(Subject::File(text.into()))
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
            assert_eq!(subject(file).unwrap(), Subject::File(file.into()));
        }
        for image in ["docker-daemon:app:1", "oci:layout", "docker://example.org/app:1"] {
            assert_eq!(subject(image).unwrap(), Subject::Image(image.parse().unwrap()));
        }
        assert!(subject("docker:app").is_err());
    }
}
