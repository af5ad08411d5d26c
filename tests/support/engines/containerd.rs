//! A node of a cluster, reduced to its images: containerd with its CRI, private to a test.
//!
//! It has its own data, state and sockets, no CNI, and no part of the system's containerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{getegid, geteuid};
use tempfile::TempDir;

use crate::Done;
use crate::grpc::{self, Status};

const SCRIPT: &str = include_str!("containerd.sh");

/// How long it may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The namespace that the CRI keeps images in.
const NAMESPACE: &str = "k8s.io";

/// A running containerd. Dropped, it ends, and all that it wrote goes.
#[derive(Debug)]
pub struct Containerd {
    folder: TempDir,
    process: Child,
}

impl Containerd {
    /// Starts containerd with `stanzas` at the end of its configuration.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn start(stanzas: &str) -> Self {
        // The path of a socket may have 107 bytes.
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("config.toml"), config(folder.path(), stanzas))
            .expect("the folder can be written");
        let process = as_root("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("sh can be run");
        let mut containerd = Self { folder, process };
        let deadline = Instant::now() + PATIENCE;
        while containerd.ctr(&["version"]).status != Some(0) {
            let ended = containerd.process.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "containerd does not answer: {}",
                containerd.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        containerd
    }

    /// Pulls an image as a kubelet does, and returns its ID.
    ///
    /// # Errors
    /// The status that the CRI answers.
    pub fn pull(&self, image: &str) -> Result<String, Status> {
        let spec = grpc::field(1, image.as_bytes());
        let request = grpc::field(1, &spec);
        let method = "/runtime.v1.ImageService/PullImage";
        let response = grpc::call(&self.socket(), method, &request)?;
        let id = grpc::only_field(&response, 1);
        Ok(String::from_utf8(id).expect("an ID is text"))
    }

    /// Calls a method of the CRI's service for pods and containers.
    pub(crate) fn runtime(&self, method: &str, request: &[u8]) -> Result<Vec<u8>, Status> {
        grpc::call(&self.socket(), &format!("/runtime.v1.RuntimeService/{method}"), request)
    }

    /// Runs containerd's own client on the images of the CRI.
    pub fn ctr(&self, arguments: &[&str]) -> Done {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.socket()).args(["--namespace", NAMESPACE]);
        Done::of(command.args(arguments))
    }

    /// Runs a container of a pulled image, and returns its output.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, image: &str) -> String {
        let mut command = as_root("ctr");
        command.arg("--address").arg(self.socket()).args(["--namespace", NAMESPACE]);
        command.args(["run", "--rm", "--snapshotter=native", image]);
        // runc keeps one list of names for all engines of a machine.
        command.arg(format!("test-{}", self.process.id()));
        Done::of(&mut command).with_status(0).stdout.trim().to_owned()
    }

    /// The names of all unpacked layers: chain IDs, which containerd derives from the unpacked
    /// bytes.
    pub fn chain_ids(&self) -> Vec<String> {
        let done = self.ctr(&["snapshots", "--snapshotter=native", "ls"]).with_status(0);
        let names = done.stdout.lines().skip(1).filter_map(|line| line.split(' ').next());
        names.filter(|name| name.starts_with("sha256:")).map(ToOwned::to_owned).collect()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Prepares a command that runs as root, as the private engine does.
pub fn as_root(program: &str) -> Command {
    if geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", "--", program]);
    command
}

/// The native snapshotter needs no file system of a certain kind.
fn config(folder: &Path, stanzas: &str) -> String {
    let folder = folder.display();
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    fs::write(format!("{folder}/log"), "").expect("the folder can be written");
    format!(
        r#"version = 2
root = "{folder}/root"
state = "{folder}/state"

[grpc]
  address = "{folder}/sock"
  uid = {uid}
  gid = {gid}

[ttrpc]
  address = "{folder}/sock.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/root/opt"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"

[plugins."io.containerd.grpc.v1.cri".cni]
  conf_dir = "{folder}/root/cni"
  bin_dir = "{folder}/root/cni"

{stanzas}"#
    )
}
