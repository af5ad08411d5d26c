//! The tools that are measured, and the command lines that make them do the same thing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::images::{Content, Recipe, TAG};

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Sealcrate,
    /// `skopeo copy` with encryption to a public key.
    SkopeoEncrypted,
    /// `docker push` and `docker pull`, which encrypt nothing.
    Docker,
}

impl Tool {
    /// Returns what tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sealcrate => "sealcrate",
            Self::SkopeoEncrypted => "skopeo, encrypted",
            Self::Docker => "docker, plain",
        }
    }
}

/// Everything that the commands need.
pub(super) struct Bench {
    binary: PathBuf,
    /// `unix://SOCKET`.
    engine: String,
    /// The passphrase and skopeo's keys.
    keys: TempDir,
}

/// skopeo (1.9) does not decrypt on the way into an engine: `sh -c THIS sh ENGINE NAME KEY FOLDER`.
const SKOPEO_PULL: &str = r#"set -e
skopeo --insecure-policy copy --src-tls-verify=false --decryption-key "$3" "docker://$2" "oci:$4:image"
skopeo --insecure-policy copy --dest-daemon-host "$1" "oci:$4:image" "docker-daemon:$2"
rm -r "$4""#;

impl Bench {
    /// Makes the keys.
    pub(super) fn new(binary: PathBuf, engine: &str) -> anyhow::Result<Self> {
        let keys = tempfile::Builder::new().prefix("sealcrate-bench-keys-").tempdir()?;
        fs::write(keys.path().join("passphrase"), "of no importance\n")?;
        let bench = Self { binary, engine: engine.to_owned(), keys };
        let mut command = Command::new("openssl");
        command.args(["genrsa", "-out"]).arg(bench.key("key.pem")).arg("2048");
        quietly(command)?;
        let mut command = Command::new("openssl");
        command.args(["rsa", "-pubout", "-in"]).arg(bench.key("key.pem"));
        command.arg("-out").arg(bench.key("public.pem"));
        quietly(command)?;
        Ok(bench)
    }

    /// Returns who is there to be measured, sealcrate first.
    pub(super) fn tools(&self) -> Vec<Tool> {
        [Tool::Sealcrate, Tool::SkopeoEncrypted, Tool::Docker]
            .into_iter()
            .filter(|tool| self.version(*tool).is_some())
            .collect()
    }

    /// Returns what a tool says of itself; nothing if it is not there.
    pub(super) fn version(&self, tool: Tool) -> Option<String> {
        let program = match tool {
            Tool::Sealcrate => self.binary.as_path(),
            Tool::SkopeoEncrypted => Path::new("skopeo"),
            Tool::Docker => Path::new("docker"),
        };
        first_line(Command::new(program).arg("--version"))
    }

    /// Returns the version of the engine.
    pub(super) fn engine_version(&self) -> Option<String> {
        first_line(self.docker().args(["version", "--format", "{{.Server.Version}}"]))
    }

    /// Returns the seconds of CPU that the engine has used, it and those of its children that have
    /// ended; nothing if it is not one that we have started.
    pub(super) fn engine_seconds(&self) -> Option<f64> {
        let socket = Path::new(self.engine.strip_prefix("unix://")?);
        let pid = fs::read_to_string(socket.parent()?.join("exec/pid")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok()?;
        // The name may hold anything, but ends with the last parenthesis. proc(5): fields 14 to 17.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks = fields.split_whitespace().skip(11).take(4);
        let ticks: Option<u64> = ticks.map(|field| field.parse::<u64>().ok()).sum();
        Some(ticks? as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Loads an archive into the engine.
    pub(super) fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let mut command = self.docker();
        command.args(["load", "--quiet", "--input"]).arg(archive);
        quietly(command)
    }

    /// Does what a tool needs before a push, and what is not counted.
    pub(super) fn prepare_push(&self, tool: Tool, host: &str) -> anyhow::Result<()> {
        if tool != Tool::Docker {
            return Ok(());
        }
        let mut command = self.docker();
        command.args(["tag", TAG, &public_name(host)]);
        quietly(command)
    }

    /// Prepares a push of the loaded image into an empty registry.
    pub(super) fn push(&self, tool: Tool, host: &str, recipe: &Recipe) -> Command {
        let name = public_name(host);
        let chosen =
            (0..).zip(recipe.layers).filter(|(_, layer)| layer.content == Content::Private);
        let chosen: Vec<String> = chosen.map(|(place, _)| place.to_string()).collect();
        match tool {
            Tool::Sealcrate => {
                let mut command = self.sealcrate();
                command.arg("push").arg("--from").arg(format!("docker-daemon:{TAG}"));
                for place in chosen {
                    command.args(["--encrypt-layer", &place]);
                }
                command.arg("--pass-file").arg(self.key("passphrase")).arg(name);
                command
            }
            Tool::SkopeoEncrypted => {
                let mut command = Command::new("skopeo");
                command.args(["--insecure-policy", "copy", "--dest-tls-verify=false"]);
                command.args(["--src-daemon-host", &self.engine]);
                for place in chosen {
                    command.args(["--encrypt-layer", &place]);
                }
                let key = format!("jwe:{}", self.key("public.pem").display());
                command.args(["--encryption-key", &key]);
                command.arg(format!("docker-daemon:{TAG}")).arg(format!("docker://{name}"));
                command
            }
            Tool::Docker => {
                let mut command = self.docker();
                command.args(["push", "--quiet", &name]);
                command
            }
        }
    }

    /// Prepares a pull, into an engine that holds nothing, of what the same tool has pushed.
    pub(super) fn pull(&self, tool: Tool, host: &str) -> Command {
        let name = public_name(host);
        match tool {
            Tool::Sealcrate => {
                let mut command = self.sealcrate();
                command.arg("pull").arg("--pass-file").arg(self.key("passphrase")).arg(name);
                command
            }
            Tool::SkopeoEncrypted => {
                let mut command = Command::new("sh");
                command.args(["-c", SKOPEO_PULL, "sh", &self.engine, &name]);
                command.arg(self.key("key.pem")).arg(self.key("layout"));
                command
            }
            Tool::Docker => {
                let mut command = self.docker();
                command.args(["pull", "--quiet", &name]);
                command
            }
        }
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

    fn sealcrate(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env("DOCKER_HOST", &self.engine).arg("--quiet");
        command
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.engine]);
        command
    }

    fn key(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }
}

/// Returns the name under which an image is pushed and pulled.
pub(super) fn public_name(host: &str) -> String {
    format!("{host}/bench/image:latest")
}

/// Runs a command of which only a failure is of interest.
pub(super) fn quietly(mut command: Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", program.display(), said.trim());
    Ok(())
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned).filter(|_| output.status.success())
}
