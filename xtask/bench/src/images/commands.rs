//! The command lines that make every tool do the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::case::Case;
use super::made::{Image, Variant};
use super::peers::{PASSPHRASE, Peers};
use super::tool::Tool;
use crate::layout;

/// skopeo (1.9) does not decrypt on the way into an engine: `sh -c THIS sh ENGINE NAME KEY FOLDER`.
const SKOPEO_PULL: &str = r#"set -e
skopeo --insecure-policy copy --src-tls-verify=false --decryption-key "$3" "docker://$2" "oci:$4:image"
skopeo --insecure-policy copy --dest-daemon-host "$1" "oci:$4:image" "docker-daemon:$2"
rm -r "$4""#;

/// Returns the name under which an image is pushed and pulled.
pub(super) fn public_name(host: &str) -> String {
    format!("{host}/bench/image:latest")
}

impl Peers {
    /// Prepares what `tool` is to do in `case`, with a registry at `host`.
    pub(super) fn command(&self, case: Case, tool: Tool, host: &str, image: &Image) -> Command {
        let name = public_name(host);
        match case {
            Case::Push => self.push(tool, Variant::Original, &name, image),
            Case::PushChanged | Case::PushUnchanged => {
                self.push(tool, Variant::Changed, &name, image)
            }
            Case::PushGzipped => self.push_layout(tool, &image.gzipped(), &name, image),
            Case::PushUncompressed => self.push_layout(tool, &image.uncompressed(), &name, image),
            Case::Pull => self.pull(tool, &name),
            Case::PullToLayout => self.pull_to_layout(tool, &name),
        }
    }

    /// Returns the folder that [`Case::PullToLayout`] writes.
    pub(super) fn pulled_layout(&self) -> PathBuf {
        self.key("layout")
    }

    fn push(&self, tool: Tool, variant: Variant, name: &str, image: &Image) -> Command {
        let source = format!("docker-daemon:{}", variant.tag());
        match tool {
            Tool::Sealcrate | Tool::SealcrateRecipient => {
                let mut command = self.sealcrate();
                command.args(["push", "--from", &source]);
                choose_layers(&mut command, image);
                if tool == Tool::Sealcrate {
                    command.arg("--pass-file").arg(self.key("passphrase"));
                } else {
                    command.arg("-r").arg(self.public_key());
                }
                command.arg(name);
                command
            }
            Tool::SkopeoEncrypted | Tool::Skopeo => {
                let mut command = self.skopeo_to_registry(tool, image);
                command.args(["--src-daemon-host", &self.engine]);
                command.arg(source).arg(format!("docker://{name}"));
                command
            }
            Tool::Docker => {
                let mut command = self.docker();
                command.args(["push", "--quiet", name]);
                command
            }
            Tool::CryptoCli => self.crypto_cli("push", name),
        }
    }

    fn push_layout(&self, tool: Tool, folder: &Path, name: &str, image: &Image) -> Command {
        let source = format!("oci:{}:{}", folder.display(), layout::TAG);
        let destination = format!("docker://{name}");
        let mut command = match tool {
            Tool::SkopeoEncrypted | Tool::Skopeo => self.skopeo_to_registry(tool, image),
            _ => {
                let mut command = self.sealcrate();
                command.arg("copy");
                choose_layers(&mut command, image);
                if tool == Tool::Sealcrate {
                    command.arg("--new-pass-file").arg(self.key("passphrase"));
                } else {
                    command.arg("-r").arg(self.public_key());
                }
                command
            }
        };
        command.arg(source).arg(destination);
        command
    }

    /// Pulls what the same tool has pushed.
    fn pull(&self, tool: Tool, name: &str) -> Command {
        match tool {
            Tool::Sealcrate | Tool::SealcrateRecipient => {
                let mut command = self.sealcrate();
                command.arg("pull");
                self.open(&mut command, tool);
                command.arg(name);
                command
            }
            Tool::SkopeoEncrypted => {
                let mut command = Command::new("sh");
                command.args(["-c", SKOPEO_PULL, "sh", &self.engine, name]);
                command.arg(self.key("key.pem")).arg(self.key("between"));
                command
            }
            Tool::Skopeo => {
                let mut command = skopeo();
                command.args(["--src-tls-verify=false", "--dest-daemon-host", &self.engine]);
                command.arg(format!("docker://{name}")).arg(format!("docker-daemon:{name}"));
                command
            }
            Tool::Docker => {
                let mut command = self.docker();
                command.args(["pull", "--quiet", name]);
                command
            }
            Tool::CryptoCli => self.crypto_cli("pull", name),
        }
    }

    fn pull_to_layout(&self, tool: Tool, name: &str) -> Command {
        let mut command = match tool {
            Tool::SkopeoEncrypted | Tool::Skopeo => {
                let mut command = skopeo();
                command.arg("--src-tls-verify=false");
                if tool == Tool::SkopeoEncrypted {
                    command.arg("--decryption-key").arg(self.key("key.pem"));
                }
                command
            }
            _ => {
                let mut command = self.sealcrate();
                command.arg("copy");
                self.open(&mut command, tool);
                command
            }
        };
        command.arg(format!("docker://{name}"));
        command.arg(format!("oci:{}:{}", self.pulled_layout().display(), layout::TAG));
        command
    }

    fn open(&self, command: &mut Command, tool: Tool) {
        if tool == Tool::Sealcrate {
            command.arg("--pass-file").arg(self.key("passphrase"));
        } else {
            command.arg("-i").arg(self.key("key.pem"));
        }
    }

    fn sealcrate(&self) -> Command {
        let mut command = Command::new(&self.sealcrate);
        command.env("DOCKER_HOST", &self.engine).env_remove("SEALCRATE_PASS").arg("--quiet");
        command
    }

    fn skopeo_to_registry(&self, tool: Tool, image: &Image) -> Command {
        let mut command = skopeo();
        command.arg("--dest-tls-verify=false");
        if tool == Tool::SkopeoEncrypted {
            choose_layers(&mut command, image);
            command.arg("--encryption-key").arg(self.public_key());
        }
        command
    }

    /// crypto-cli encrypts what the image's label says, and asks unless it is told the passphrase so.
    fn crypto_cli(&self, task: &str, name: &str) -> Command {
        let program = self.crypto_cli.as_deref().unwrap_or_else(|| Path::new("crypto-cli"));
        let mut command = Command::new(program);
        command.env("DOCKER_HOST", &self.engine);
        command.args([task, &format!("--pass={PASSPHRASE}"), name]);
        command
    }

    fn public_key(&self) -> String {
        format!("jwe:{}", self.key("public.pem").display())
    }
}

/// sealcrate has the option that skopeo has.
fn choose_layers(command: &mut Command, image: &Image) {
    for place in image.recipe().private() {
        command.args(["--encrypt-layer", &place.to_string()]);
    }
}

fn skopeo() -> Command {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy"]);
    command
}
