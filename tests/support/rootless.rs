//! Podman with crun, run by a user that is not root: without daemon, and with this user's files alone.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Done;
use crate::containerd::as_root;

/// A user of no account.
const USER: &str = "54321";

/// The hierarchy of control groups has to be the second version's alone, for crun. It is so for the
/// commands of this script.
const SCRIPT: &str = "mount -t cgroup2 none /sys/fs/cgroup && cd \"$1\" && folder=$1 user=$2 && shift 2 && \
    exec setpriv --reuid \"$user\" --regid \"$user\" --clear-groups env -i \"PATH=$PATH\" \"HOME=$folder\" \
    \"XDG_RUNTIME_DIR=$folder\" timeout 100 podman --root \"$folder/root\" --runroot \"$folder/run\" \
    --storage-driver vfs --cgroup-manager cgroupfs --events-backend none --runtime crun \"$@\"";

/// A user with images of its own; dropped, all of it goes.
#[derive(Debug)]
pub struct RootlessPodman {
    folder: TempDir,
}

impl RootlessPodman {
    /// Makes a folder for the user.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").expect("a temporary folder can be made");
        Done::of(as_root("chown").args([USER, "--"]).arg(folder.path())).with_status(0);
        Self { folder }
    }

    /// Returns the user's folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Takes an image out of an archive that an engine has saved.
    ///
    /// # Panics
    /// If it cannot be loaded.
    pub fn load(&self, archive: &Path) {
        let path = self.folder.path().join("archive");
        let mut install = as_root("install");
        Done::of(install.args(["-o", USER]).arg(archive).arg(&path)).with_status(0);
        self.call(&["load", "--quiet", "--input", "archive"]).with_status(0);
    }

    /// Runs a container without a network, whatever its status will be.
    pub fn run(&self, options: &[&str], image: &str) -> Done {
        // There are no control groups that the user may change.
        let fixed = [
            "run",
            "--rm",
            "--pull=never",
            "--network=none",
            "--cgroups=disabled",
            "--pids-limit=0",
        ];
        self.call(&[&fixed[..], options, &[image]].concat())
    }

    fn call(&self, arguments: &[&str]) -> Done {
        let mut command = as_root("unshare");
        // No process stays: Podman's, which keeps the namespaces, ends with the call.
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
        Done::of(command.arg(self.folder.path()).arg(USER).args(arguments))
    }
}

impl Default for RootlessPodman {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RootlessPodman {
    fn drop(&mut self) {
        // Files of other owners go first; the folder itself is removed after that.
        let _ = as_root("rm").arg("-rf").arg(self.folder.path().join("root")).status();
        let _ = as_root("chown").arg("0").arg(self.folder.path()).status();
        let _ =
            as_root("rm").arg("-f").arg(format!("/dev/shm/libpod_rootless_lock_{USER}")).status();
    }
}
