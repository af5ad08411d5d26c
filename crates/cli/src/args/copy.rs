//! The arguments of `copy`.

use clap::Args;
use sealcrate_image::Location;

use super::common::location;
use super::pull::ReadingArgs;
use super::push::{EncryptionArgs, Output};
use super::{NewPassphraseArgs, PassphraseArgs, RegistryArgs, SelectionArgs};

/// Copy an image from anywhere to anywhere
///
/// Without a passphrase, bytes are copied as they are. A passphrase decrypts what is read, a new
/// passphrase encrypts what is written, and both together encrypt anew under new keys.
///
/// Locations are docker-daemon:NAME[:TAG], docker-archive:FILE[:NAME:TAG], oci:DIR[:TAG],
/// oci-archive:FILE[:TAG] and docker://NAME[:TAG|@DIGEST].
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
    pub(crate) passphrase: PassphraseArgs,
    #[command(flatten)]
    pub(crate) new_passphrase: NewPassphraseArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) encryption: EncryptionArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}
