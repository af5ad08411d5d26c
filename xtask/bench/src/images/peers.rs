//! The programs that are there to be measured, the keys that they use, and the engine between them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::tool::{Peer, Tool};
use crate::{machine, measure};
use xtask::child::{first_line, quietly};

/// The line in the passphrase's file.
pub(super) const PASSPHRASE: &str = "of no importance";

/// Everything that commands need.
pub(super) struct Peers {
    tools: Vec<Tool>,
    missing: Vec<String>,
    pub(super) sealcrate: PathBuf,
    pub(super) crypto_cli: Option<PathBuf>,
    /// `unix://SOCKET`.
    pub(super) engine: String,
    keys: TempDir,
}

impl Peers {
    /// Looks for those that are `wanted`, and makes the keys.
    pub(super) fn find(sealcrate: &Path, engine: &str, wanted: &[Peer]) -> anyhow::Result<Self> {
        let keys = tempfile::Builder::new().prefix("sealcrate-bench-keys-").tempdir()?;
        let mut peers = Self {
            tools: Vec::new(),
            missing: Vec::new(),
            sealcrate: sealcrate.to_owned(),
            crypto_cli: env::var_os("CRYPTO_CLI").map(PathBuf::from),
            engine: engine.to_owned(),
            keys,
        };
        peers.make_keys()?;
        for tool in Tool::ALL {
            let name = tool.name();
            match tool.peer() {
                Some(peer) if !wanted.contains(&peer) => {
                    peers.missing.push(format!("{name}: not asked for"));
                }
                Some(_) if peers.version(tool).is_none() => {
                    peers.missing.push(format!("{name}: {}", missing(tool)));
                }
                _ => peers.tools.push(tool),
            }
        }
        Ok(peers)
    }

    fn make_keys(&self) -> anyhow::Result<()> {
        fs::write(self.key("passphrase"), format!("{PASSPHRASE}\n"))?;
        let mut command = Command::new("openssl");
        command.args(["genrsa", "-out"]).arg(self.key("key.pem")).arg("2048");
        quietly(command)?;
        let mut command = Command::new("openssl");
        command.args(["rsa", "-pubout", "-in"]).arg(self.key("key.pem"));
        command.arg("-out").arg(self.key("public.pem"));
        quietly(command)
    }

    /// Returns who is measured, sealcrate first.
    pub(super) fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// Names who is not measured, and why.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Returns the path of a key, or of something that is gone again when its round is over.
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    /// Describes the machine and the versions of everything that images are measured with.
    pub(super) fn describe_machine(&self) -> Value {
        let mut description = machine::describe();
        let engine = self.docker().args(["version", "--format", "{{.Server.Version}}"]).output();
        let engine = engine.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        description["engine"] = json!(engine.ok());
        let versions = self.tools.iter().map(|tool| (tool.name(), self.version(*tool)));
        description["versions"] =
            versions.map(|(name, version)| (name.to_owned(), json!(version))).collect();
        description
    }

    /// Returns what a tool says of itself; nothing if it is not there.
    fn version(&self, tool: Tool) -> Option<String> {
        let program = match tool {
            Tool::Sealcrate | Tool::SealcrateRecipient => self.sealcrate.as_path(),
            Tool::SkopeoEncrypted | Tool::Skopeo => Path::new("skopeo"),
            Tool::Docker => Path::new("docker"),
            Tool::CryptoCli => self.crypto_cli.as_deref()?,
        };
        first_line(Command::new(program).arg("--version"))
    }

    /// Returns the seconds of CPU that the engine has used; nothing if we have not started it.
    pub(super) fn engine_cpu(&self) -> Option<f64> {
        let socket = Path::new(self.engine.strip_prefix("unix://")?);
        let process = fs::read_to_string(socket.parent()?.join("exec/pid")).ok()?;
        measure::cpu_of(process.trim().parse().ok()?)
    }

    /// Loads an archive into the engine.
    pub(super) fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let mut command = self.docker();
        command.args(["load", "--quiet", "--input"]).arg(archive);
        quietly(command)
    }

    /// Gives an image in the engine another name.
    pub(super) fn tag(&self, image: &str, name: &str) -> anyhow::Result<()> {
        let mut command = self.docker();
        command.args(["tag", image, name]);
        quietly(command)
    }

    /// Returns the diff IDs of an image in the engine, as it prints them.
    pub(super) fn layers(&self, name: &str) -> anyhow::Result<String> {
        first_line(self.docker().args(["image", "inspect", "--format", "{{.RootFS.Layers}}", name]))
            .with_context(|| format!("the engine does not have {name}"))
    }

    /// Removes every image from the engine.
    pub(super) fn remove_images(&self) -> anyhow::Result<()> {
        let output = self.docker().args(["images", "--all", "--quiet", "--no-trunc"]).output()?;
        let ids = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut command = self.docker();
        command.args(["image", "rm", "--force"]).args(ids.split_whitespace());
        if ids.trim().is_empty() { Ok(()) } else { quietly(command) }
    }

    /// Prepares a command of docker's own.
    pub(super) fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.engine]);
        command
    }
}

fn missing(tool: Tool) -> &'static str {
    match tool {
        Tool::CryptoCli => "missing, CRYPTO_CLI names no binary that runs",
        _ => "missing",
    }
}
