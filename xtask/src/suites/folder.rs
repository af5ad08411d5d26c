//! The folder of a suite: made by mmdebstrap, and made anew when the suite or the list of packages has changed.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::{Suite, mirror};
use crate::child::Interrupts;
use crate::packages;
use crate::root;

/// The packages of every suite.
const PACKAGES: [&str; 24] = [
    "age",
    "buildah",
    "busybox-static",
    "ca-certificates",
    "conmon",
    "containerd",
    "cosign",
    "crun",
    "docker-buildx",
    "docker-cli",
    "docker.io",
    "fuse-overlayfs",
    "gpg",
    "iptables",
    "mount",
    "netavark",
    "openssl",
    "oras",
    "passt",
    "passwd",
    "podman",
    "runc",
    "skopeo",
    "uidmap",
];

/// How mmdebstrap works. A mirror may be older than the clock, and a suite that is not released is valid for a week:
/// its date does not count. Signatures do.
const OPTIONS: [&str; 5] = [
    "--quiet",
    "--variant=apt",
    "--mode=root",
    "--aptopt=Acquire::Check-Valid-Until \"false\"",
    "--aptopt=APT::Install-Recommends \"false\"",
];

/// Seconds after which mmdebstrap is ended: about ten times as many as it takes.
const TIME_TO_MAKE: &str = "900";

/// Seconds after which a mirror does not count as reachable.
const TIME_TO_ASK: &str = "60";

/// How long another task may take to make or leave the folder.
const PATIENCE: Duration = Duration::from_secs(1800);

/// The folder of a suite. Nobody makes it anew while this value lives.
pub struct Folder {
    path: PathBuf,
    _in_use: File,
}

impl Folder {
    /// Makes the folder of a suite, unless it is there and up to date. The task has installed mmdebstrap.
    ///
    /// # Errors
    /// The folder cannot be made; a signal arrived.
    pub fn provide(suite: Suite, interrupts: &Interrupts) -> anyhow::Result<Self> {
        let engines = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/engines"));
        fs::create_dir_all(engines).context("cannot make the folder of engines")?;
        let engines = engines.canonicalize().context("cannot find the folder of engines")?;
        let path = engines.join(suite.name());
        let mirror = mirror::of_this_machine()?;
        let wanted = ask(&mirror, suite, &engines).map(|version| recipe(suite, &version));
        let lock = File::create(engines.join(format!("{}.lock", suite.name())))
            .context("cannot write the folder of engines")?;

        acquire(interrupts, || lock.try_lock_shared())?;
        if !is_up_to_date(&path, wanted.as_deref()) {
            lock.unlock().context("cannot leave the folder of engines")?;
            acquire(interrupts, || lock.try_lock())?;
            // Another task may have made it meanwhile.
            if !is_up_to_date(&path, wanted.as_deref()) {
                let wanted =
                    wanted.with_context(|| format!("the mirror has no {}", suite.name()))?;
                make(&path, suite, &mirror, &wanted)?;
            }
            acquire(interrupts, || lock.try_lock_shared())?;
        }
        Ok(Self { path, _in_use: lock })
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Asks a mirror for the version of a suite. Returns nothing where the mirror does not answer.
fn ask(mirror: &str, suite: Suite, engines: &Path) -> Option<String> {
    let release = tempfile::NamedTempFile::new_in(engines).ok()?;
    let address = format!("{}/dists/{}/Release", mirror.trim_end_matches('/'), suite.name());
    // apt's own, since it knows this machine's proxies.
    let status = Command::new("timeout")
        .args([TIME_TO_ASK, "/usr/lib/apt/apt-helper", "download-file", &address])
        .arg(release.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return None;
    }
    version(&fs::read_to_string(release.path()).ok()?)
}

/// Reads the fields of a suite's Release file that change when the suite does.
fn version(release: &str) -> Option<String> {
    let fields = ["Version:", "Date:"];
    let lines: Vec<&str> =
        release.lines().filter(|line| fields.iter().any(|field| line.starts_with(field))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Returns the text that says how a folder is made. A folder of another text is made anew.
fn recipe(suite: Suite, version: &str) -> String {
    let (options, packages) = (OPTIONS.join(" "), PACKAGES.join(" "));
    format!("{}\n{version}\n{options}\n{packages}\n", suite.name())
}

/// Whether a folder is there, and made as is wanted. Without a mirror, any folder is.
fn is_up_to_date(folder: &Path, wanted: Option<&str>) -> bool {
    let made = fs::read_to_string(recipe_file(folder)).ok().filter(|_| folder.is_dir());
    made.is_some_and(|made| wanted.is_none_or(|wanted| made == wanted))
}

fn recipe_file(folder: &Path) -> PathBuf {
    folder.with_extension("recipe")
}

fn make(folder: &Path, suite: Suite, mirror: &str, recipe: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    packages::announce(&format!("making target/engines/{}", suite.name()));
    root::authenticate()?;
    let unfinished = folder.with_extension("unfinished");
    remove(&recipe_file(folder), folder, &unfinished)?;
    let output = root::command("timeout")
        // In our own group, so that Ctrl-C reaches it.
        .args(["--foreground", TIME_TO_MAKE, "mmdebstrap"])
        .args(OPTIONS)
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(suite.name())
        .arg(&unfinished)
        .arg(mirror)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("cannot run mmdebstrap")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mmdebstrap failed ({}):\n{}", output.status, said.trim());
    fs::rename(&unfinished, folder).context("cannot give the folder its name")?;
    fs::write(recipe_file(folder), recipe).context("cannot note how the folder was made")?;
    packages::announce(&format!("made it in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// Removes an older folder, and one that was not finished. The note goes first.
fn remove(recipe: &Path, folder: &Path, unfinished: &Path) -> anyhow::Result<()> {
    let mut remove = root::command("rm");
    remove.args(["-rf", "--one-file-system"]).arg(recipe).arg(folder).arg(unfinished);
    let status = remove.stdin(Stdio::null()).status().context("cannot run rm")?;
    ensure!(status.success(), "cannot remove {} ({status})", folder.display());
    Ok(())
}

/// Tries to get a lock until it works.
fn acquire(
    interrupts: &Interrupts,
    try_lock: impl Fn() -> Result<(), TryLockError>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock the folder of engines");
            }
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                bail!("another task does not leave the folder of engines");
            }
            Err(TryLockError::WouldBlock) => {}
        }
        ensure!(!interrupts.arrived(), "interrupted");
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "Origin: Debian
Suite: stable
Version: 13.1
Codename: trixie
Date: Sat, 06 Sep 2025 10:18:21 UTC
SHA256:
 00 1 main/Date:
";

    #[test]
    fn folder_is_made_anew_when_its_suite_or_its_packages_change() {
        let engines = tempfile::tempdir().unwrap();
        let folder = engines.path().join("trixie");
        let wanted = recipe(Suite::Trixie, &version(RELEASE).unwrap());
        assert!(!is_up_to_date(&folder, Some(&wanted)));
        assert!(!is_up_to_date(&folder, None));

        fs::write(recipe_file(&folder), &wanted).unwrap();
        assert!(!is_up_to_date(&folder, Some(&wanted)), "there is no folder");
        fs::create_dir(&folder).unwrap();
        assert!(is_up_to_date(&folder, Some(&wanted)));
        assert!(is_up_to_date(&folder, None), "the mirror cannot be reached");

        let later = RELEASE.replace("06 Sep", "15 Nov");
        let later = recipe(Suite::Trixie, &version(&later).unwrap());
        assert!(!is_up_to_date(&folder, Some(&later)));
        assert!(!is_up_to_date(&folder, Some(&wanted.replace("skopeo", "skopeo vim"))));
    }

    #[test]
    fn recipe_has_all_that_a_folder_is_made_of() {
        let text = recipe(Suite::Forky, &version(RELEASE).unwrap());
        assert!(text.starts_with("forky\nVersion: 13.1\nDate: Sat, 06 Sep 2025 10:18:21 UTC\n--"));
        for package in PACKAGES {
            assert!(text.split_whitespace().any(|word| word == package), "{package}");
        }
        assert_eq!(version("Origin: Debian\n"), None);
    }
}
