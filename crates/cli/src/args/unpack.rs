//! The arguments of `unpack`.

use std::path::PathBuf;

use clap::Args;

use super::PassphraseArgs;
use super::push::Output;

#[derive(Debug, Args)]
pub(crate) struct UnpackArgs {
    /// The packed program
    pub(crate) packed: PathBuf,
    /// Where the program goes
    #[arg(short, long = "out", value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Write the age file that holds the compressed program, which needs no key
    #[arg(long, conflicts_with_all = ["identity", "passphrase"])]
    pub(crate) raw: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// Open it with the identities in this file ("-" is standard input)
    #[arg(short, long, value_name = "FILE", conflicts_with = "passphrase")]
    pub(crate) identity: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}
