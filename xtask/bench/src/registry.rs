//! A registry that holds nothing yet: Debian's docker-registry on a free port, gone with its files.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::measure;

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running registry.
pub(super) struct Registry {
    process: Child,
    folder: TempDir,
    host: String,
}

impl Registry {
    /// Starts a registry that anybody on this machine may use, over plain HTTP.
    pub(super) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sealcrate-bench-").tempdir()?;
        let config = "version: 0.1\nlog:\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: storage\nhttp:\n  addr: 127.0.0.1:0\n";
        fs::write(folder.path().join("config.yml"), config)?;
        let process = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()
            .context("cannot run docker-registry")?;
        let mut registry = Self { process, folder, host: String::new() };
        registry.host = registry.wait_for_address()?;
        Ok(registry)
    }

    /// Waits until the registry logs the port that the system gave it.
    fn wait_for_address(&mut self) -> anyhow::Result<String> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let log = fs::read_to_string(self.folder.path().join("log"))?;
            if let Some(host) = listening_at(&log) {
                return Ok(host.to_owned());
            }
            if self.process.try_wait()?.is_some() || Instant::now() >= deadline {
                bail!("docker-registry does not listen:\n{log}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns `127.0.0.1:PORT`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the seconds of CPU that it has used.
    pub(super) fn cpu(&self) -> Option<f64> {
        measure::cpu_of(self.process.id())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It has nothing to save, and may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Finds the address in a log, once its line is whole.
fn listening_at(log: &str) -> Option<&str> {
    let (_, rest) = log.split_once("listening on ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_taken_from_a_whole_line() {
        let line = "msg=\"listening on 127.0.0.1:40404\" go.version=go1.19\n";
        assert_eq!(listening_at(line), Some("127.0.0.1:40404"));
        assert_eq!(listening_at("msg=\"listening on 127.0.0.1:404"), None);
        assert_eq!(listening_at(""), None);
    }
}
