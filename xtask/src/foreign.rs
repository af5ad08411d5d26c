//! The parts that a build of stubs for other machines needs where rustup's compiler has no `core` for them. These
//! are the distribution's compiler, and a few files of its packages for other architectures. A program without
//! the standard library is linked with these files.
//!
//! The packages are not installed, since they would bring LLVM along for every architecture, and
//! make the system one of several architectures. apt gets lists of its own for each, beside the
//! system's; the files go to `target/foreign-core`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use sealcrate_targets::Target;

use crate::packages::{self, Consent};

/// The distribution's compiler.
pub(crate) const COMPILER: &str = "/usr/bin/rustc";

/// The package that has a compiler new enough, and the package of its libraries.
const PACKAGES: (&str, &str) = ("rustc-web", "libstd-rust-web-dev");

/// The packages of a release whose own compiler is new enough.
const OWN_PACKAGES: (&str, &str) = ("rustc", "libstd-rust-dev");

/// The libraries that are taken, without the rest of their names.
const LIBRARIES: [&str; 4] =
    ["liballoc-", "libcompiler_builtins-", "libcore-", "librustc_std_workspace_core-"];

/// Returns the folder of the unpacked libraries, which a compiler takes for its own.
pub(crate) fn sysroot(root: &Path) -> PathBuf {
    root.join("target/foreign-core")
}

/// Provides the compiler, the libraries and the linkers for some targets.
///
/// # Errors
/// There is no apt, or no consent; it does not have the packages in one version; what failed.
pub(crate) fn provide(
    consent: Consent,
    root: &Path,
    targets: &[&'static Target],
) -> anyhow::Result<()> {
    let named: Vec<&str> = targets.iter().map(|target| target.toolchain.triples[0]).collect();
    ensure!(
        packages::is_debian(),
        "the compiler has no libraries for some stubs: `rustup target add {}` gets them",
        named.join(" ")
    );
    let folder = sysroot(root).join("lib/rustlib");
    let missing =
        targets.iter().filter(|target| !folder.join(target.toolchain.triples[0]).exists());
    let missing: Vec<Machine> =
        missing.map(|target| Machine::new(target)).collect::<anyhow::Result<_>>()?;
    if !missing.is_empty() || !Path::new(COMPILER).exists() {
        for machine in &missing {
            machine.update();
        }
        let (library, version) = compiler(consent, &missing)?;
        for machine in &missing {
            let architecture = machine.architecture;
            packages::announce(&format!("unpacking {library} {version} for {architecture}"));
            machine.unpack(library, &version, &folder)?;
        }
    }
    let linkers = targets.iter().map(|target| target.toolchain.linker);
    let linkers = linkers.filter(|linker| !Path::new("/usr/bin").join(linker).exists());
    let linkers: Vec<String> = linkers.map(package_of_linker).collect();
    packages::install_named(consent, &linkers)
}

/// Returns the package of a linker, which has its name in Debian's letters.
fn package_of_linker(linker: &str) -> String {
    let machine = linker.strip_suffix("-ld").unwrap_or(linker);
    format!("binutils-{}", machine.replace('_', "-"))
}

/// Returns the name and version of the libraries' package that fits the distribution's compiler,
/// which is installed if it is missing.
fn compiler(consent: Consent, missing: &[Machine]) -> anyhow::Result<(&'static str, String)> {
    if !Path::new(COMPILER).exists() {
        let (package, library) = PACKAGES;
        consent.to_install(&[package, library])?;
        packages::update()?;
        let mut versions = versions(&[], library)?;
        for machine in missing {
            let others = versions_for(machine, library)?;
            versions.retain(|version| others.contains(version));
        }
        // The oldest is the release's own, and the one that stubs are held to; newer ones come to
        // the architectures one after the other.
        let version = versions.last().context("no rustc-web is there for all architectures")?;
        packages::install_exactly(&[
            &format!("{package}={version}"),
            &format!("{library}={version}"),
        ])?;
    }
    for (package, library) in [PACKAGES, OWN_PACKAGES] {
        let shown = Command::new("dpkg-query")
            .args(["--show", "--showformat=${Version}", package])
            .stderr(Stdio::null())
            .output()
            .context("cannot run dpkg-query")?;
        let version = String::from_utf8(shown.stdout)?;
        if shown.status.success() && !version.is_empty() {
            return Ok((library, version));
        }
    }
    bail!("{COMPILER} is of no package of Debian's: there are no libraries for it")
}

fn versions_for(machine: &Machine, package: &str) -> anyhow::Result<Vec<String>> {
    versions(&machine.options, package)
}

/// Returns the versions of a package that there are, the newest first.
fn versions(options: &[String], package: &str) -> anyhow::Result<Vec<String>> {
    let listed = Command::new("apt-cache")
        .args(options)
        .args(["madison", package])
        .output()
        .context("cannot run apt-cache")?;
    let text = String::from_utf8(listed.stdout)?;
    Ok(text.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect())
}

/// Another architecture, with apt's state for it in a folder of its own.
struct Machine {
    architecture: &'static str,
    triple: &'static str,
    state: tempfile::TempDir,
    options: Vec<String>,
}

impl Machine {
    fn new(target: &'static Target) -> anyhow::Result<Self> {
        let (architecture, triple) = (target.debian, target.toolchain.triples[0]);
        let state = tempfile::tempdir().context("cannot create a temporary folder")?;
        let path = state.path();
        for folder in ["lists/partial", "cache/archives/partial", "packages"] {
            fs::create_dir_all(path.join(folder))?;
        }
        File::create(path.join("status"))?;
        let shown = path.display();
        let mut options = vec![
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures::={architecture}"),
            format!("Dir::State={shown}"),
            format!("Dir::State::lists={shown}/lists"),
            format!("Dir::State::status={shown}/status"),
            format!("Dir::Cache={shown}/cache"),
        ];
        if rustix::process::geteuid().is_root() {
            // The user that apt becomes may not write to folders of ours.
            options.push("APT::Sandbox::User=root".into());
        }
        let options = options.into_iter().flat_map(|option| ["-o".into(), option]).collect();
        Ok(Self { architecture, triple, state, options })
    }

    /// Fetches the lists. Some of them may be missing: whether the package is there shows later.
    fn update(&self) {
        let _ = self.apt_get().args(["--quiet", "--quiet", "update"]).stdout(io::stderr()).status();
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.args(&self.options).stdin(Stdio::null());
        command
    }

    /// Takes the libraries out of a package.
    fn unpack(&self, package: &str, version: &str, folder: &Path) -> anyhow::Result<()> {
        let packages = self.state.path().join("packages");
        let status = self
            .apt_get()
            .args(["--quiet", "download", &format!("{package}={version}")])
            .current_dir(&packages)
            .stdout(io::stderr())
            .status()
            .context("cannot run apt-get")?;
        ensure!(status.success(), "cannot get {package} {version} for {}", self.architecture);
        let file = only_file(&packages)?;
        let unpacked = self.state.path().join("unpacked");
        let status = Command::new("dpkg-deb")
            .arg("--extract")
            .args([&file, &unpacked])
            .stdout(io::stderr())
            .status()?;
        ensure!(status.success(), "cannot unpack {}", file.display());

        // Complete or not there at all: a folder is taken to have everything.
        let from = unpacked.join("usr/lib/rustlib").join(self.triple).join("lib");
        let made = folder.join(format!("{}.new", self.triple));
        fs::create_dir_all(made.join("lib"))?;
        let files = fs::read_dir(&from).with_context(|| format!("{package} has no libraries"))?;
        for file in files {
            let file = file?;
            let name = file.file_name();
            let is_taken = |start| name.to_str().is_some_and(|name| name.starts_with(start));
            if LIBRARIES.into_iter().any(is_taken) {
                fs::copy(file.path(), made.join("lib").join(&name))?;
            }
        }
        fs::rename(&made, folder.join(self.triple)).context("cannot name the libraries' folder")
    }
}

fn only_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let first = fs::read_dir(folder)?.next().context("apt-get downloaded nothing")?;
    Ok(first?.path())
}

#[cfg(test)]
mod tests {
    use sealcrate_targets::TARGETS;

    use super::*;

    #[test]
    fn linkers_have_packages() {
        let packages = TARGETS.each_ref().map(|target| package_of_linker(target.toolchain.linker));
        let machines =
            ["x86-64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf", "i686-linux-gnu"];
        assert_eq!(packages, machines.map(|machine| format!("binutils-{machine}")));
    }
}
