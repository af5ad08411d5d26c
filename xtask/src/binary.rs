//! The binary of sealcrate, as cargo builds it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::stubs;

/// The arguments by which cargo builds the binary alone.
const BINARY: [&str; 4] = ["--package", "sealcrate", "--bin", "sealcrate"];

/// The arguments by which the binary needs no other file. Its libraries are the same as in the usual build,
/// so cargo does not build them twice.
const STATIC: [&str; 3] = ["--", "-C", "target-feature=+crt-static"];

/// How a program is compiled.
#[derive(Clone, Copy)]
pub enum Profile {
    /// As tests want it.
    Dev,
    /// As releases have it: slow to compile, and with the stubs of all machines.
    Dist,
    /// As people build it.
    Release,
}

impl Profile {
    /// Returns its name.
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Dist => "dist",
            Self::Release => "release",
        }
    }
}

/// Builds the binary and returns its path as cargo reports it, which follows `CARGO_TARGET_DIR` and
/// every other way to move the target folder. It has the stubs of a folder, or its own machine's.
///
/// # Errors
/// cargo fails.
pub fn build(profile: Profile, stubs: Option<&Path>) -> anyhow::Result<PathBuf> {
    let arguments = [&["--profile", profile.name()], &BINARY[..]].concat();
    executable_of("build", &arguments, stubs, "sealcrate")
}

/// Builds the binary for tests, in the same way as the Dockerfile. Returns the path of a copy, since the next build
/// replaces cargo's own file.
///
/// # Errors
/// cargo fails, or the copy cannot be written.
pub fn build_static(stubs: &Path) -> anyhow::Result<PathBuf> {
    let built = executable_of("rustc", &[&BINARY[..], &STATIC].concat(), Some(stubs), "sealcrate")?;
    let copy = built.with_file_name("sealcrate-static");
    fs::copy(&built, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    Ok(copy)
}

/// Builds another program of this workspace together with the binary, so that both share their
/// libraries, and returns the paths of the program and the binary.
///
/// # Errors
/// cargo fails.
pub fn build_with(package: &str, profile: Profile) -> anyhow::Result<[PathBuf; 2]> {
    let program = ["--package", package, "--bin", package, "--profile", profile.name()];
    let arguments = [&program, &BINARY[..]].concat();
    let messages = messages_of("build", &arguments, None)?;
    Ok([executable_in(&messages, package)?, executable_in(&messages, "sealcrate")?])
}

/// Builds the programs of tests of these names, as `cargo test` does with `arguments`, and returns their paths.
///
/// # Errors
/// cargo fails, or builds no program of a name.
pub(crate) fn build_tests<const N: usize>(
    arguments: &[&str],
    stubs: &Path,
    names: [&str; N],
) -> anyhow::Result<Vec<PathBuf>> {
    let messages = messages_of("test", &[arguments, &["--no-run"]].concat(), Some(stubs))?;
    names.into_iter().map(|name| executable_in(&messages, name)).collect()
}

fn executable_of(
    task: &str,
    arguments: &[&str],
    stubs: Option<&Path>,
    name: &str,
) -> anyhow::Result<PathBuf> {
    executable_in(&messages_of(task, arguments, stubs)?, name)
}

fn messages_of(task: &str, arguments: &[&str], stubs: Option<&Path>) -> anyhow::Result<String> {
    let mut command = cargo();
    command
        .args([task, "--locked", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .stderr(Stdio::inherit());
    if let Some(stubs) = stubs {
        command.env(stubs::FOLDER, stubs);
    }
    let output = command.output().with_context(|| format!("cargo {task}"))?;
    ensure!(output.status.success(), "cargo {task} failed");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Prepares a run of the cargo that runs us.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Finds the program of a name in the messages of cargo, one a line.
fn executable_in(messages: &str, name: &str) -> anyhow::Result<PathBuf> {
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let executable =
            message["executable"].as_str().filter(|_| message["target"]["name"] == name);
        executable.map(PathBuf::from)
    };
    messages
        .lines()
        .filter_map(executable)
        .next_back()
        .with_context(|| format!("cargo named no executable for {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_of_the_tool_is_built_the_same_way() {
        let profile = ["--profile", Profile::Dist.name()];
        let arguments = [&["cargo", "rustc", "--locked"], &profile[..], &BINARY, &STATIC];
        let command = arguments.concat().join(" ");
        let dockerfile = include_str!("../../Dockerfile");
        let words: Vec<&str> = dockerfile.split_whitespace().filter(|word| *word != "\\").collect();
        assert!(words.join(" ").contains(&command), "no {command:?} in the Dockerfile");
    }

    #[test]
    fn only_messages_with_an_executable_name_a_binary() {
        let message = |name: &str, executable: &str| {
            let target = format!(r#"{{"name":"{name}"}}"#);
            format!(
                r#"{{"reason":"compiler-artifact","target":{target},"executable":{executable}}}"#
            )
        };
        let library = message("sealcrate", "null");
        assert!(executable_in(&library, "sealcrate").is_err());
        assert!(executable_in("no JSON", "sealcrate").is_err());
        let all = [
            library,
            message("sealcrate", r#""/t/debug/sealcrate""#),
            message("xtask", r#""/t/x""#),
        ];
        let found = |name| executable_in(&all.join("\n"), name).unwrap();
        assert_eq!(found("sealcrate"), Path::new("/t/debug/sealcrate"));
        assert_eq!(found("xtask"), Path::new("/t/x"));
    }
}
