//! The binary of sealcrate, as cargo builds it.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// What cargo is to build.
const BINARY: [&str; 4] = ["--package", "sealcrate", "--bin", "sealcrate"];

/// How the binary alone is linked so that it needs no other file: its libraries are those of the
/// usual build, which spares a second one of them all.
const STATIC: [&str; 3] = ["--", "-C", "target-feature=+crt-static"];

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
    executable_of("build", &["--profile", profile])
}

/// Builds the binary as the Dockerfile does, for images that hold nothing else, and returns the path
/// of a copy: cargo's own file is replaced by the next build in the usual way.
pub(crate) fn build_static() -> anyhow::Result<PathBuf> {
    let built = executable_of("rustc", &STATIC)?;
    let copy = built.with_file_name("sealcrate-static");
    fs::copy(&built, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    Ok(copy)
}

fn executable_of(task: &str, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let output = cargo()
        .arg(task)
        .args(BINARY)
        .arg("--message-format=json-render-diagnostics")
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cargo {task}"))?;
    ensure!(output.status.success(), "cargo {task} of sealcrate failed");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable_in)
        .next_back()
        .context("cargo named no executable for sealcrate")
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
    fn image_of_the_tool_is_built_the_same_way() {
        let arguments = [&["cargo", "rustc", "--locked", "--release"], &BINARY[..], &STATIC];
        let command = arguments.concat().join(" ");
        let dockerfile = include_str!("../../Dockerfile");
        assert!(dockerfile.contains(&command), "no {command:?} in the Dockerfile");
    }

    #[test]
    fn only_messages_with_an_executable_name_a_binary() {
        let library = r#"{"reason":"compiler-artifact","executable":null}"#;
        let binary = r#"{"reason":"compiler-artifact","executable":"/t/debug/sealcrate"}"#;
        assert_eq!(executable_in(library), None);
        assert_eq!(executable_in("no JSON"), None);
        assert_eq!(executable_in(binary), Some("/t/debug/sealcrate".into()));
    }
}
