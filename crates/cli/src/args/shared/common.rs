//! Options that several commands share.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use sealcrate_image::{
    CompressionLevel, Location, LocationError, Platform, Reference, ReferenceError,
};

/// Where a passphrase comes from. One source at most may be named.
#[derive(Debug, Args)]
#[group(multiple = false, id = "passphrase")]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from a file ("-" is standard input)
    #[arg(long, value_name = "FILE", help_heading = "Passphrase")]
    pub(crate) pass_file: Option<PathBuf>,
    /// Read the passphrase from an open file descriptor
    #[arg(long, value_name = "N", help_heading = "Passphrase")]
    pub(crate) pass_fd: Option<u32>,
    /// The passphrase itself; other users of this machine can read it
    #[arg(short = 'P', long, value_name = "PASSPHRASE", help_heading = "Passphrase")]
    pub(crate) pass: Option<Typed>,
}

/// Where the passphrase for the destination comes from, when the source has its own.
#[derive(Debug, Args)]
#[group(multiple = false, id = "new-passphrase")]
pub(crate) struct NewPassphraseArgs {
    /// Encrypt the destination under the passphrase in a file
    #[arg(long, value_name = "FILE", help_heading = "Encryption")]
    pub(crate) new_pass_file: Option<PathBuf>,
    /// Encrypt the destination under the passphrase from an open file descriptor
    #[arg(long, value_name = "N", help_heading = "Encryption")]
    pub(crate) new_pass_fd: Option<u32>,
}

/// A passphrase on the command line, or a text that may be a secret in the wrong place. Its `Debug` does
/// not show it.
#[derive(Clone)]
pub(crate) struct Typed(zeroize::Zeroizing<String>);

impl Typed {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(..)")
    }
}

impl FromStr for Typed {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned().into()))
    }
}

/// Which layers are encrypted. Without any of these, the Dockerfile's label decides.
#[derive(Debug, Args)]
#[group(multiple = false, id = "selection")]
pub(crate) struct SelectionArgs {
    /// Encrypt this layer: 0 is the lowest, -1 the topmost (repeatable)
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Encryption")]
    pub(crate) encrypt_layer: Vec<i64>,
    /// Encrypt every layer
    #[arg(long, help_heading = "Encryption")]
    pub(crate) all_layers: bool,
    /// Encrypt every layer above the layers of this image: a location, or a name in the source; one in a
    /// registry needs its digest
    #[arg(long, value_name = "IMAGE", help_heading = "Encryption")]
    pub(crate) base: Option<ImageName>,
}

impl SelectionArgs {
    /// Tells whether none is given.
    pub(crate) fn is_none(&self) -> bool {
        self.encrypt_layer.is_empty() && !self.all_layers && self.base.is_none()
    }
}

/// How to compress layers that come uncompressed.
#[derive(Debug, Args)]
pub(crate) struct CompressionArgs {
    /// By what
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    pub(crate) compression: CompressionKind,
    /// How hard gzip tries: 1 is fastest, 12 makes the least bytes
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(
            i64::from(CompressionLevel::MIN)..=i64::from(CompressionLevel::MAX)
        )
    )]
    pub(crate) compression_level: u8,
}

/// The compression for layers that come uncompressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionKind {
    /// Read everywhere
    #[default]
    Gzip,
    /// Smaller, and faster to read; in images that are encrypted to recipients
    Zstd,
}

/// An image by location, or by a name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ImageName {
    Location(Location),
    Name(Reference),
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        match text.parse() {
            Ok(location) => Ok(Self::Location(location)),
            // "app:1" has a colon as well; a word before the colon that is no transport belongs to a
            // name.
            Err(LocationError::NoTransport(_) | LocationError::UnknownTransport(_)) => {
                text.parse().map(Self::Name).map_err(ImageNameError::Name)
            }
            Err(error) => Err(ImageNameError::Location(error)),
        }
    }
}

/// Why a text names no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageNameError {
    #[error("{}", with_source(.0))]
    Location(#[source] LocationError),
    #[error("{0}")]
    Name(ReferenceError),
}

/// clap prints an error's first line alone.
fn with_source(error: &LocationError) -> String {
    match std::error::Error::source(error) {
        None => error.to_string(),
        Some(source) => format!("{error}: {source}"),
    }
}

/// Parses a location, with the whole reason in one line.
pub(crate) fn location(text: &str) -> Result<Location, ImageNameError> {
    text.parse().map_err(ImageNameError::Location)
}

/// Parses a platform.
pub(crate) fn platform(text: &str) -> Result<Platform, sealcrate_image::PlatformError> {
    text.parse()
}
