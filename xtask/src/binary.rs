//! The binary of sealcrate, as cargo builds it.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// How the binary is compiled.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// As tests want it.
    Dev,
    /// As users want it.
    Release,
}

/// Builds the binary and returns its path as cargo reports it, which follows `CARGO_TARGET_DIR` and
/// every other way to move the target folder.
pub(crate) fn build(profile: Profile) -> anyhow::Result<PathBuf> {
    let profile = match profile {
        Profile::Dev => "dev",
        Profile::Release => "release",
    };
    let output = cargo()
        .args(["build", "--package", "sealcrate", "--bin", "sealcrate", "--profile", profile])
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

/// Prepares a run of the cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn executable_in(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
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
