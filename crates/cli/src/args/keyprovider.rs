//! The arguments of `keyprovider`.

use std::path::PathBuf;

use clap::Args;

use super::common::Typed;

#[derive(Debug, Args)]
pub(crate) struct KeyproviderArgs {
    /// Unwrap with the age identities in this file or folder (repeatable)
    ///
    /// Without it, those in /etc/sealcrate/identities, if that is there. They are read anew for each request.
    #[arg(short, long, value_name = "PATH", help_heading = "Keys")]
    pub(crate) identity: Vec<PathBuf>,
    /// Wrap to this recipient where a request names none: age1… or a file of such lines (repeatable)
    ///
    /// Without it, to those in the file /etc/sealcrate/recipients, if that is there.
    #[arg(short, long, value_name = "RECIPIENT", help_heading = "Keys")]
    pub(crate) recipient: Vec<Typed>,
}
