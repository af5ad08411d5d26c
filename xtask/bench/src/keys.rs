//! Key pairs for the measured runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use xtask::child;

/// An identity and its recipient.
pub(super) struct KeyPair {
    pub(super) identity: String,
    pub(super) recipient: String,
}

impl KeyPair {
    /// Makes a key pair with `sealcrate`, and keeps it in `file`.
    pub(super) fn make(sealcrate: &Path, file: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(sealcrate);
        command.args(["keygen", "-o"]).arg(file);
        child::quietly(command)?;
        let text = fs::read_to_string(file)?;
        let word = |beginning: &str| {
            let mut words = text.split_whitespace();
            let word = words.find(|word| word.starts_with(beginning));
            word.map(str::to_owned).with_context(|| format!("keygen writes no {beginning}"))
        };
        Ok(Self { identity: word("AGE-SECRET-KEY-1")?, recipient: word("age1")? })
    }
}
