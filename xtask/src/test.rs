//! `cargo xtask test`: every test of the workspace, with the services that the tests need.
//!
//! The tests get two variables: `SEALCRATE_TEST_ENGINE`, the engine's address, and
//! `SEALCRATE_TEST_BIN`, the path of the binary under test. Registries are started by the tests
//! themselves.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::child::{self, Interrupts};
use crate::{packages, private_engine};

/// Builds the binary, runs `cargo test --workspace` with `cargo_test_args`, and returns its status.
pub(crate) fn run(cargo_test_args: &[String]) -> anyhow::Result<ExitCode> {
    let interrupts = Interrupts::catch()?;
    packages::install_missing()?;
    let binary = build_binary()?;
    // Takes along what tests leave that are killed.
    let tmp = tempfile::Builder::new()
        .prefix("sealcrate-tests-")
        .tempdir()
        .context("cannot create a temporary folder")?;
    private_engine::with(&interrupts, |address| {
        let mut tests = cargo();
        tests
            .args(["test", "--workspace"])
            .args(cargo_test_args)
            .env("SEALCRATE_TEST_ENGINE", address)
            .env("SEALCRATE_TEST_BIN", &binary)
            .env("TMPDIR", tmp.path());
        child::run_in_own_group(&mut tests, &interrupts)
    })
}

/// Builds the binary under test and returns its path as cargo reports it, which follows
/// `CARGO_TARGET_DIR` and every other way to move the target folder.
fn build_binary() -> anyhow::Result<PathBuf> {
    let output = cargo()
        .args(["build", "--package", "sealcrate", "--bin", "sealcrate"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cargo build")?;
    ensure!(output.status.success(), "cargo build of sealcrate failed");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable_in)
        .next_back()
        .context("cargo build named no executable for sealcrate")
}

fn executable_in(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_with_an_executable_name_a_binary() {
        let library = r#"{"reason":"compiler-artifact","executable":null}"#;
        let binary = r#"{"reason":"compiler-artifact","executable":"/t/debug/sealcrate"}"#;
        assert_eq!(executable_in(library), None);
        assert_eq!(executable_in("no JSON"), None);
        assert_eq!(executable_in(binary), Some("/t/debug/sealcrate".into()));
    }
}
