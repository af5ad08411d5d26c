//! The arguments of `keygen`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct KeygenArgs {
    /// Write the key to this file, for its owner alone, instead of to standard output
    #[arg(short, long = "out", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace a file that is there, and the key in it
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Make a passphrase instead of an identity
    #[arg(long)]
    pub(crate) passphrase: bool,
}
