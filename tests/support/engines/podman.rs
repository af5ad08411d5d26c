//! Podman's service, which speaks the Docker engine's language: a private one for each test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Done;

/// How long the service may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Podman service with storage of its own; dropped, it ends.
#[derive(Debug)]
pub struct PodmanService {
    folder: TempDir,
    child: Child,
}

impl PodmanService {
    /// Starts a service and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let socket = format!("unix://{}", folder.path().join("podman.sock").display());
        let child = podman(folder.path())
            .args(["system", "service", "--time", "0", &socket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("podman can be run: `cargo xtask test` installs it");
        let service = Self { folder, child };
        let begun = Instant::now();
        while !service.socket().exists() {
            assert!(begun.elapsed() < PATIENCE, "podman does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        service
    }

    /// The service's address as `DOCKER_HOST` takes it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Runs podman on the service's storage, and returns its standard output.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.call(arguments).with_status(0).stdout.trim().to_owned()
    }

    /// Runs podman on the service's storage, and accepts any status.
    pub fn call(&self, arguments: &[&str]) -> Done {
        Done::of(podman(self.folder.path()).args(arguments))
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("podman.sock")
    }
}

impl Drop for PodmanService {
    fn drop(&mut self) {
        // The process ID is the child's until the child has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The plain storage driver needs no mounts, and runc takes control groups of both versions together.
fn podman(folder: &Path) -> Command {
    let mut command = Command::new("podman");
    command.arg("--root").arg(folder.join("root")).arg("--runroot").arg(folder.join("run")).args([
        "--storage-driver",
        "vfs",
        "--cgroup-manager",
        "cgroupfs",
        "--events-backend",
        "none",
        "--runtime",
        "runc",
    ]);
    command
}
