//! The Debian packages that tasks need. The person who runs a task agrees, then apt installs the missing ones.
//!
//! Nothing else of the machine changes: an installed service neither starts nor is set to start.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::root;

pub use consent::Consent;
pub use needs::static_busybox;
use needs::{FOR_BENCH, NEEDS, Need, SPLIT_OFF};
use without_services::WithoutServices;

mod consent;
mod needs;
mod without_services;

/// Installs the packages that the tests need and that are missing.
///
/// # Errors
/// Names the missing packages where there is no apt, or no consent, and what failed otherwise.
pub fn install_missing(consent: Consent) -> anyhow::Result<()> {
    install_those(consent, missing)
}

/// Installs the packages that are missing, those that only the bench needs among them.
///
/// # Errors
/// As [`install_missing`].
pub fn install_missing_for_bench(consent: Consent) -> anyhow::Result<()> {
    install_those(consent, || {
        let for_bench = FOR_BENCH.iter().filter(|need| !need.is_met()).map(|need| need.package);
        missing().into_iter().chain(for_bench).collect()
    })
}

fn install_those(consent: Consent, missing: impl Fn() -> Vec<&'static str>) -> anyhow::Result<()> {
    let names = missing();
    if names.is_empty() {
        return Ok(());
    }
    if !is_debian() {
        bail!("Debian's packages {} have what this task needs, and is missing", names.join(", "));
    }
    consent.to_install(&names)?;
    update()?;
    // The lists that have just come may name packages that this release has split off.
    let all = missing();
    let further: Vec<&str> = all.iter().copied().filter(|name| !names.contains(name)).collect();
    if !further.is_empty() {
        consent.to_install(&further)?;
    }
    install(&all)
}

/// Installs packages; nothing where none is named.
///
/// # Errors
/// There is no consent; they cannot be installed.
pub(crate) fn install_named(consent: Consent, packages: &[String]) -> anyhow::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    consent.to_install(&packages)?;
    update()?;
    install(&packages)
}

/// Fetches the lists of packages. Where a mirror does not have all of them, the older lists may do: the
/// installation shows which package is missing.
///
/// # Errors
/// It may not be done.
pub(crate) fn update() -> anyhow::Result<()> {
    root::authenticate()?;
    if let Err(error) = apt_get(&["update"]) {
        announce(&format!("{error:#}: going on with the lists that are there"));
    }
    Ok(())
}

/// Installs packages in exact versions, `NAME=VERSION` each, older than installed ones if need be.
/// The caller has the consent.
///
/// # Errors
/// They cannot be installed.
pub(crate) fn install_exactly(packages: &[&str]) -> anyhow::Result<()> {
    root::authenticate()?;
    install(&[&["--allow-downgrades"], packages].concat())
}

fn missing() -> Vec<&'static str> {
    let needs = NEEDS.iter().filter(|need| !need.is_met());
    let split_off = SPLIT_OFF
        .iter()
        .filter(|need| !need.is_met())
        .filter(|need| !is_debian() || is_in_this_release(need.package));
    needs.chain(split_off).map(|need: &Need| need.package).collect()
}

/// Whether there are packages of Debian's here.
pub(crate) fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists()
}

fn is_in_this_release(package: &str) -> bool {
    let shown = Command::new("apt-cache")
        .args(["show", package])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    shown.is_ok_and(|status| status.success())
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    announce(&format!("installing {}", packages.join(" ")));
    let without_services = WithoutServices::new()?;
    let options = without_services.options();
    let install = ["install", "--yes", "--no-install-recommends"];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    apt_get(&[&options, &install[..], packages].concat())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let status = root::command("env")
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .context("cannot run apt-get")?;
    ensure!(status.success(), "apt-get {} failed ({status})", arguments.join(" "));
    Ok(())
}

/// Tells what takes a while.
#[expect(clippy::print_stderr, reason = "what the user waits for")]
pub fn announce(what: &str) {
    eprintln!("xtask: {what}");
}
