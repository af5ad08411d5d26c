//! The Debian packages that the tests need: what is missing is installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::root;

/// A service that the tests start: it is there when one of `files` is.
struct Need {
    package: &'static str,
    files: &'static [&'static str],
}

/// By file, not by package name: Docker's own packages (docker-ce) serve as well as Debian's.
const NEEDS: [Need; 4] = [
    Need {
        package: "docker.io",
        files: &["/usr/sbin/dockerd", "/usr/bin/dockerd"],
    },
    Need {
        package: "docker-registry",
        files: &["/usr/bin/docker-registry"],
    },
    Need {
        package: "skopeo",
        files: &["/usr/bin/skopeo"],
    },
    Need {
        package: "busybox-static",
        files: &["/bin/busybox", "/usr/bin/busybox"],
    },
];

/// What newer releases split off from docker.io: the client, and BuildKit's part of it.
const SPLIT_OFF: [Need; 2] = [
    Need {
        package: "docker-cli",
        files: &["/usr/bin/docker"],
    },
    Need {
        package: "docker-buildx",
        files: &[
            "/usr/lib/docker/cli-plugins/docker-buildx",
            "/usr/libexec/docker/cli-plugins/docker-buildx",
        ],
    },
];

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the packages that are missing.
///
/// # Errors
/// Names the missing packages where there is no apt, and what failed where there is.
pub(crate) fn install_missing() -> anyhow::Result<()> {
    let missing: Vec<_> = missing_of(&NEEDS).collect();
    let client_is_missing = !Path::new("/usr/bin/docker").exists();
    if missing.is_empty() && !client_is_missing {
        return Ok(());
    }
    if !Path::new("/etc/debian_version").exists() {
        bail!(
            "the tests need what these Debian packages hold: {}",
            missing.join(", ")
        );
    }
    announce(&format!("installing {}", missing.join(" ")));
    root::authenticate()?;
    apt_get(&["update"])?;
    let split_off = missing_of(&SPLIT_OFF).filter(|package| is_in_this_release(package));
    let packages: Vec<_> = missing.iter().copied().chain(split_off).collect();
    let policy = NoServiceStarts::begin()?;
    let installed =
        apt_get(&[&["install", "--yes", "--no-install-recommends"], &*packages].concat());
    policy.end()?;
    installed
}

fn missing_of(needs: &'static [Need]) -> impl Iterator<Item = &'static str> {
    needs
        .iter()
        .filter(|need| !need.files.iter().any(|file| Path::new(file).exists()))
        .map(|need| need.package)
}

fn is_in_this_release(package: &str) -> bool {
    let shown = Command::new("apt-cache")
        .args(["show", package])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    shown.is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let status = root::command("env")
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"])
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .context("cannot run apt-get")?;
    ensure!(
        status.success(),
        "apt-get {} failed ({status})",
        arguments.join(" ")
    );
    Ok(())
}

/// Keeps the installed packages from starting system services, by the file that Debian's policy
/// has for it: the tests start their own, and where no init runs a start fails the installation.
struct NoServiceStarts {
    is_ours: bool,
}

impl NoServiceStarts {
    fn begin() -> anyhow::Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { is_ours: false });
        }
        let file = tempfile::NamedTempFile::new().context("cannot write a temporary file")?;
        fs::write(file.path(), "#!/bin/sh\nexit 101\n").context("cannot write a temporary file")?;
        let status = root::command("install")
            .args(["--mode=0755", "--no-target-directory"])
            .args([file.path(), Path::new(POLICY)])
            .status()?;
        ensure!(status.success(), "cannot write {POLICY}");
        Ok(Self { is_ours: true })
    }

    fn end(self) -> anyhow::Result<()> {
        if self.is_ours {
            let status = root::command("rm").arg(POLICY).status()?;
            ensure!(status.success(), "cannot remove {POLICY} again");
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "what the user waits for")]
fn announce(what: &str) {
    eprintln!("xtask: {what}");
}
