//! `cargo xtask demo`: what sealcrate is for, step by step, in a temporary folder.
//!
//! Every step is a command that the reader could type, and every outcome is checked: what does not
//! go as it is told fails the demo. [`image`] makes the image.

mod image;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use xtask::child::Interrupts;
use xtask::packages;

use image::SECRET;

/// The name of the image in the engine.
const ENGINE_NAME: &str = "sealcrate-demo:1";

/// sealcrate's exit code for a wrong or missing key.
const WRONG_KEY: i32 = 3;

/// Goes through all steps with the binary that the only argument names.
fn main() -> anyhow::Result<ExitCode> {
    // An interrupt ends the command that runs, which fails its step and so leads to the clean-up.
    let _interrupts = Interrupts::catch()?;
    let binary = env::args_os().nth(1).context("no binary is named: run `cargo xtask demo`")?;
    Demo::prepare(Path::new(&binary), None)?.show()?;
    Ok(ExitCode::SUCCESS)
}

/// A folder to work in, and how commands are run there.
struct Demo<'a> {
    binary: &'a Path,
    /// The engine's address, where it is another than the environment names.
    docker_host: Option<&'a str>,
    folder: TempDir,
}

impl<'a> Demo<'a> {
    fn prepare(binary: &'a Path, docker_host: Option<&'a str>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("sealcrate-demo-")
            .tempdir()
            .context("cannot create a temporary folder")?;
        fs::write(folder.path().join("key"), "correct horse battery staple\n")?;
        fs::write(folder.path().join("wrong"), "another passphrase\n")?;
        Ok(Self { binary, docker_host, folder })
    }

    fn show(self) -> anyhow::Result<()> {
        let folder = self.folder.path().display();
        say(&format!(
            "\nEverything happens in a folder that is removed at the end:\n$ cd {folder}"
        ));
        say(
            "\nIn it are an image whose upper layer is private (oci:plain:1), and a passphrase (key).",
        );
        let busybox = packages::static_busybox();
        image::write(&self.path("plain"), busybox)?;

        self.encrypt()?;
        self.look()?;
        self.decrypt()?;
        if self.engine_answers() {
            let result = self.go_through_engine(busybox.is_some());
            let removed = self.run("docker", &["image", "rm", ENGINE_NAME]);
            result?;
            succeeded(&removed?)?;
        } else {
            say("\nNo Docker engine answers to `docker version`: that part is left out.");
        }
        self.folder.close().context("cannot remove the folder")?;
        say("\nAll went as it should. The folder is removed.");
        Ok(())
    }

    fn encrypt(&self) -> anyhow::Result<()> {
        say("\nPush it, encrypted. A second layout stands in for a registry:");
        let to_registry = ["--new-pass-file", "key", "--encrypt-layer", "1"];
        succeeded(&self.copy(&to_registry, "oci:plain:1", "oci:registry:1")?)
    }

    fn look(&self) -> anyhow::Result<()> {
        say("\nThis is what a stranger sees there:");
        let seen = self.sealcrate(&["inspect", "oci:registry:1"])?;
        succeeded(&seen)?;
        ensure!(text(&seen).contains("encrypted"), "nothing is said to be encrypted");
        ensure!(!text(&seen).contains(SECRET), "a stranger sees the secret");
        say("\nAnd this is what is seen with the passphrase:");
        let seen = self.sealcrate(&["inspect", "--pass-file", "key", "oci:registry:1"])?;
        succeeded(&seen)?;
        ensure!(text(&seen).contains(SECRET), "the passphrase does not show the secret");
        Ok(())
    }

    fn decrypt(&self) -> anyhow::Result<()> {
        say("\nPull it with a wrong passphrase, which must fail:");
        let refused = self.copy(&["--pass-file", "wrong"], "oci:registry:1", "oci:opened:1")?;
        ensure!(refused.status.code() == Some(WRONG_KEY), "it ended with {}", refused.status);
        ensure!(!self.path("opened").exists(), "something was written all the same");
        say("(exit status 3, and nothing was written)\n\nPull it with the right one:");
        succeeded(&self.copy(&["--pass-file", "key"], "oci:registry:1", "oci:opened:1")?)?;
        image::compare(&self.path("plain"), &self.path("opened"))?;
        say("(the same config and the same layers as before)");
        Ok(())
    }

    fn engine_answers(&self) -> bool {
        let asked = self
            .command("docker")
            .args(["version", "--format", "{{.Server.Version}}"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    }

    fn go_through_engine(&self, can_run: bool) -> anyhow::Result<()> {
        let in_engine = format!("docker-daemon:{ENGINE_NAME}");
        say("\nA Docker engine answers. Pull into it:");
        succeeded(&self.copy(&["--pass-file", "key"], "oci:registry:1", &in_engine)?)?;
        let seen = if can_run {
            self.run("docker", &["run", "--rm", "--network", "none", ENGINE_NAME])?
        } else {
            self.run("docker", &["image", "inspect", ENGINE_NAME])?
        };
        succeeded(&seen)?;
        ensure!(text(&seen).contains(SECRET), "the engine does not show the secret");
        say("\nPush it out of the engine, pull that, and compare again:");
        let to_registry = ["--new-pass-file", "key", "--encrypt-layer", "1"];
        succeeded(&self.copy(&to_registry, &in_engine, "oci:registry-2:1")?)?;
        succeeded(&self.copy(&["--pass-file", "key"], "oci:registry-2:1", "oci:opened-2:1")?)?;
        image::compare(&self.path("plain"), &self.path("opened-2"))?;
        say("(the same again)\n\nRemove it from the engine:");
        Ok(())
    }

    fn copy(&self, options: &[&str], from: &str, to: &str) -> anyhow::Result<Output> {
        self.sealcrate(&[&["copy"], options, &[from, to]].concat())
    }

    fn sealcrate(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.run("sealcrate", arguments)
    }

    /// Shows a command, runs it, and shows its output.
    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        say(&format!("$ {program} {}", arguments.join(" ")));
        let output = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        for said in [&output.stderr, &output.stdout] {
            let said = String::from_utf8_lossy(said);
            if !said.is_empty() {
                say(said.trim_end());
            }
        }
        Ok(output)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = match program {
            "sealcrate" => Command::new(self.binary),
            other => Command::new(other),
        };
        // A passphrase of the user's own is not the demo's.
        command.current_dir(self.folder.path()).env_remove("SEALCRATE_PASS");
        if let Some(address) = self.docker_host {
            command.env("DOCKER_HOST", address);
        }
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn succeeded(output: &Output) -> anyhow::Result<()> {
    if !output.status.success() {
        bail!("the command ended with {}", output.status);
    }
    Ok(())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[expect(clippy::print_stdout, reason = "what the demo is for")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_goes_as_it_is_told() {
        let variable = |name| env::var(name).expect("services are there: run `cargo xtask test`");
        let (binary, engine) = (variable("SEALCRATE_TEST_BIN"), variable("SEALCRATE_TEST_ENGINE"));
        let demo = Demo::prepare(Path::new(&binary), Some(&engine)).unwrap();
        assert!(demo.engine_answers());
        let folder = demo.folder.path().to_owned();
        demo.show().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn binary_that_does_nothing_fails_the_demo() {
        let demo = Demo::prepare(Path::new("true"), None).unwrap();
        assert_eq!(demo.show().unwrap_err().to_string(), "nothing is said to be encrypted");
    }
}
