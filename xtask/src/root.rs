//! Commands that need root: run as they are by root, else through sudo.

use std::process::Command;

use anyhow::{Context, ensure};

/// Prepares a command that runs as root.
pub(crate) fn command(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg(program);
    command
}

/// Asks for the password now, in the foreground, if one will be needed.
pub(crate) fn authenticate() -> anyhow::Result<()> {
    if is_root() {
        return Ok(());
    }
    let status = Command::new("sudo")
        .arg("--validate")
        .status()
        .context("this needs root, and sudo cannot be run")?;
    ensure!(status.success(), "this needs root, and sudo refused");
    Ok(())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
