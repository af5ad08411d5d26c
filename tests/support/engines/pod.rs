//! A pod on a node with containerd: containers that are made as a kubelet makes them, through the CRI.
//!
//! Kubernetes, `cri-api`, `runtime.v1`, which gives the fields of messages their numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Containerd;
use crate::grpc::{self, Status, field, number};

/// How long a container may run.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of the file that a container's outputs go to.
const LOG: &str = "log";

/// `NamespaceMode.NODE`: without a network of its own, a pod needs no CNI.
const NODE: u64 = 2;

/// `ContainerState.CONTAINER_EXITED`.
const EXITED: u64 = 2;

/// A container as a kubelet asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodContainer<'c> {
    /// Its image.
    pub image: &'c str,
    /// Arguments that replace the image's command.
    pub arguments: &'c [&'c str],
    /// Variables, name and value each.
    pub variables: &'c [(&'c str, &'c str)],
    /// Files and folders of the node, and their places in the container.
    pub mounts: &'c [(&'c Path, &'c str)],
}

/// A pod; dropped, it ends, and its containers go.
#[derive(Debug)]
pub struct Pod<'n> {
    node: &'n Containerd,
    logs: TempDir,
    config: Vec<u8>,
    id: String,
}

impl<'n> Pod<'n> {
    /// Starts a pod without containers.
    ///
    /// # Panics
    /// If it does not start: the node needs a `sandbox_image` that it can pull.
    pub fn start(node: &'n Containerd) -> Self {
        let logs = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = logs.path().to_str().expect("temporary folders have UTF-8 names");
        let metadata = [field(1, b"test"), field(2, b"test"), field(3, b"default")].concat();
        let security = field(1, &number(1, NODE));
        let config =
            [field(1, &metadata), field(3, folder.as_bytes()), field(8, &field(2, &security))];
        let config = config.concat();
        let answer = node.runtime("RunPodSandbox", &field(1, &config));
        let answer = answer.unwrap_or_else(|status| panic!("{status:?}: {}", node.log()));
        let id = text(&grpc::only_field(&answer, 1));
        Self { node, logs, config, id }
    }

    /// Runs a container to its end. Returns its exit status, and the text of both its outputs.
    ///
    /// # Errors
    /// The status that the CRI answers, if the container is not made or started.
    ///
    /// # Panics
    /// If it does not end.
    pub fn run(&self, container: &PodContainer<'_>) -> Result<(u64, String), Status> {
        let request =
            [field(1, self.id.as_bytes()), field(2, &message(container)), field(3, &self.config)];
        let answer = self.node.runtime("CreateContainer", &request.concat())?;
        let id = text(&grpc::only_field(&answer, 1));
        let by_id = field(1, id.as_bytes());
        self.node.runtime("StartContainer", &by_id)?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            let answer = self.node.runtime("ContainerStatus", &by_id)?;
            let status = grpc::first_field(&answer, 1);
            if grpc::first_number(&status, 3) == EXITED {
                break grpc::first_number(&status, 7);
            }
            assert!(Instant::now() < deadline, "the container does not end: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        };
        let log = self.log();
        self.node.runtime("RemoveContainer", &by_id)?;
        // The next container would append to it.
        fs::remove_file(self.log_path()).expect("the log of a container that ran is there");
        Ok((status, log))
    }

    fn log_path(&self) -> PathBuf {
        self.logs.path().join(LOG)
    }

    /// The output of the last container. In the log each line of it stands behind time, stream and tag.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines = log.lines().filter_map(|line| line.splitn(4, ' ').nth(3));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        // The node ends after the pod, and removes the rest.
        let by_id = field(1, self.id.as_bytes());
        let _ = self.node.runtime("StopPodSandbox", &by_id);
        let _ = self.node.runtime("RemovePodSandbox", &by_id);
    }
}

/// Writes a `ContainerConfig`.
fn message(container: &PodContainer<'_>) -> Vec<u8> {
    let PodContainer { image, arguments, variables, mounts } = container;
    let mut message = [
        field(1, &field(1, b"test")),
        field(2, &field(1, image.as_bytes())),
        field(11, LOG.as_bytes()),
    ]
    .concat();
    for argument in *arguments {
        message.extend(field(4, argument.as_bytes()));
    }
    for (name, value) in *variables {
        let pair = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
        message.extend(field(6, &pair));
    }
    for (from, to) in *mounts {
        let from = from.to_str().expect("paths of the test are UTF-8");
        message.extend(field(7, &[field(1, to.as_bytes()), field(2, from.as_bytes())].concat()));
    }
    message
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("an ID is text")
}
