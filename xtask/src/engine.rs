//! `cargo xtask engine -- COMMAND`: a private engine for as long as a command runs.

use std::process::{Command, ExitCode};

use anyhow::bail;

use crate::child::{self, Interrupts};
use crate::packages::{self, Consent};
use crate::private_engine;

/// Runs `command` in the foreground, so that it may be a shell, and returns its status.
pub fn run(consent: Consent, command: &[String]) -> anyhow::Result<ExitCode> {
    let [program, arguments @ ..] = command else {
        bail!("no command is given");
    };
    let interrupts = Interrupts::catch()?;
    packages::install_missing(consent)?;
    private_engine::with(&interrupts, |address| {
        let mut command = Command::new(program);
        command.args(arguments).env("DOCKER_HOST", address).env("SEALCRATE_TEST_ENGINE", address);
        child::run(&mut command, &interrupts)
    })
}
