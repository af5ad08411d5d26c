//! The arguments of `pack`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sealcrate_pack::{Compression, DEFAULT_WORK_FACTOR, MAX_WORK_FACTOR, MIN_WORK_FACTOR};

use super::PassphraseArgs;
use super::push::Output;
use super::shared::common::Typed;

#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// The program: an ELF executable for Linux
    #[arg(required_unless_present = "list_targets")]
    pub(crate) program: Option<PathBuf>,
    /// Where the packed program goes
    #[arg(short, long = "out", value_name = "FILE", required_unless_present = "list_targets")]
    pub(crate) out: Option<PathBuf>,
    /// Replace a file that is there; pack without set-ID bits and file capabilities
    #[arg(long)]
    pub(crate) force: bool,
    /// List the machines that programs can be packed for, with the bytes that a stub adds
    #[arg(long, conflicts_with_all = ["program", "out"])]
    pub(crate) list_targets: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) start: StartArgs,
    /// Put the program under its own name into this folder, a tmpfs of its own where it starts, for programs that
    /// look for themselves
    #[arg(long, value_name = "PATH", help_heading = "At the start")]
    pub(crate) in_folder: Option<PathBuf>,
    /// Put this file, or this folder and all in it, beside the program in that folder (repeatable)
    #[arg(long, value_name = "FILE", requires = "in_folder", help_heading = "At the start")]
    pub(crate) with: Vec<PathBuf>,
    /// How the program is compressed
    #[arg(long, value_enum, default_value_t, value_name = "KIND", help_heading = "Encryption")]
    pub(crate) compress: CompressKind,
    #[command(flatten)]
    pub(crate) openers: OpenerArgs,
    /// Ask for the passphrase, whatever the environment says, unless an option names it
    #[arg(
        short = 'p',
        long = "ask-pass",
        conflicts_with_all = ["recipient", "recipients_file"],
        help_heading = "Passphrase"
    )]
    pub(crate) ask: bool,
}

/// The places where a packed program looks for its key when it starts.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Look for the key in this variable, then in the file that NAME_FILE names
    #[arg(long = "env", value_name = "NAME", default_value = "BP", help_heading = "At the start")]
    pub(crate) variable: String,
    /// Then in this file, instead of /run/secrets/ and the variable's name in lower case
    #[arg(long, value_name = "PATH", help_heading = "At the start")]
    pub(crate) start_key_file: Option<PathBuf>,
    /// Show the text in this file before asking for the key on a terminal
    #[arg(short, long, value_name = "FILE", help_heading = "At the start")]
    pub(crate) banner: Option<PathBuf>,
}

/// The openers of a packed program or a locked image: recipients, or else a passphrase.
#[derive(Debug, Args)]
pub(crate) struct OpenerArgs {
    /// Let this recipient open it, age1…, instead of a passphrase (repeatable)
    #[arg(
        short,
        long,
        value_name = "RECIPIENT",
        conflicts_with = "passphrase",
        help_heading = "Encryption"
    )]
    pub(crate) recipient: Vec<Typed>,
    /// Let the recipients in this file open it, one a line (repeatable)
    #[arg(
        short = 'R',
        long,
        value_name = "FILE",
        conflicts_with = "passphrase",
        help_heading = "Encryption"
    )]
    pub(crate) recipients_file: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    /// How much work it is to try a passphrase: 2^N KiB of memory
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_WORK_FACTOR,
        conflicts_with_all = ["recipient", "recipients_file"],
        help_heading = "Passphrase",
        value_parser = clap::value_parser!(u8)
            .range(i64::from(MIN_WORK_FACTOR)..=i64::from(MAX_WORK_FACTOR))
    )]
    pub(crate) work_factor: u8,
}

/// The kinds of compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressKind {
    /// Starts fastest
    #[default]
    Lz4,
    /// Takes the least room
    Zstd,
    /// Leaves the program as it is
    None,
}

impl From<CompressKind> for Compression {
    fn from(kind: CompressKind) -> Self {
        match kind {
            CompressKind::Lz4 => Self::Lz4,
            CompressKind::Zstd => Self::Zstd,
            CompressKind::None => Self::None,
        }
    }
}
