//! The arguments of `decoder`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct DecoderArgs {
    /// Decrypt with the keys in this folder, and in those below it
    #[arg(long, value_name = "DIR")]
    pub(crate) decryption_keys_path: Option<PathBuf>,
}
