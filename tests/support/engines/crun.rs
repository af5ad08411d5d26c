//! Podman with crun, without a daemon: run by root, or by a user that is not root.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Done;
use crate::as_root;

/// A user of no account.
const USER: &str = "54321";

/// Starts Podman as a user that is not root. The hierarchy of control groups has to be the second
/// version's alone, for crun. It is so for the commands of this script.
const AS_USER: &str = "mount -t cgroup2 none /sys/fs/cgroup && \
    exec setpriv --reuid \"$user\" --regid \"$user\" --clear-groups env -i \"PATH=$PATH\" \"HOME=$folder\" \
    \"XDG_RUNTIME_DIR=$folder\"";

/// Starts Podman as root. crun refuses limits where both versions of control groups are mounted. So the
/// second one is out of sight for the commands of this script.
const AS_ROOT: &str =
    "{ ! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; } && exec";

/// The end of both scripts: it runs Podman.
const PODMAN: &str = "timeout 100 podman --root \"$folder/root\" --runroot \"$folder/run\" \
    --storage-driver vfs --cgroup-manager cgroupfs --events-backend none --runtime crun \"$@\"";

/// The user who runs Podman.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Root,
    WithoutPrivileges,
}

/// Podman with images of its own; dropped, all of it goes.
#[derive(Debug)]
pub struct CrunPodman {
    folder: TempDir,
    user: User,
}

impl CrunPodman {
    /// Makes a folder for a user that is not root.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn rootless() -> Self {
        let made = Self::with(User::WithoutPrivileges);
        Done::of(as_root("chown").args([USER, "--"]).arg(made.folder.path())).with_status(0);
        made
    }

    /// Makes a folder for root, who may limit containers.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn of_root() -> Self {
        Self::with(User::Root)
    }

    fn with(user: User) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").expect("a temporary folder can be made");
        Self { folder, user }
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
        Done::of(install.args(["-m", "444"]).arg(archive).arg(&path)).with_status(0);
        self.call(&["load", "--quiet", "--input", "archive"]).with_status(0);
    }

    /// Runs a container without a network, whatever its status will be.
    pub fn run(&self, options: &[&str], image: &str) -> Done {
        self.call(&[&["run", "--rm", "--network=none"], self.options(), options, &[image]].concat())
    }

    /// Returns the options that every container needs here. Nobody grants crun a limit of open files above
    /// this process's own.
    pub fn options(&self) -> &'static [&'static str] {
        match self.user {
            User::Root => {
                &["--pull=never", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
            }
            // There are no control groups that the user may change.
            User::WithoutPrivileges => &["--pull=never", "--cgroups=disabled", "--pids-limit=0"],
        }
    }

    /// Runs Podman, whatever its status will be.
    pub fn call(&self, arguments: &[&str]) -> Done {
        let begin = match self.user {
            User::Root => AS_ROOT,
            User::WithoutPrivileges => AS_USER,
        };
        let script = format!("cd \"$1\" && folder=$1 user=$2 && shift 2 && {begin} {PODMAN}");
        let mut command = as_root("unshare");
        // No process stays: Podman's, which keeps the namespaces, ends with the call.
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["--propagation", "private", "sh", "-c", &script, "sh"]);
        Done::of(command.arg(self.folder.path()).arg(USER).args(arguments))
    }
}

impl Drop for CrunPodman {
    fn drop(&mut self) {
        // Files of other owners go first; the folder itself is removed after that.
        let _ = as_root("rm").arg("-rf").arg(self.folder.path().join("root")).status();
        let _ = as_root("chown").arg("0").arg(self.folder.path()).status();
        let _ =
            as_root("rm").arg("-f").arg(format!("/dev/shm/libpod_rootless_lock_{USER}")).status();
    }
}
