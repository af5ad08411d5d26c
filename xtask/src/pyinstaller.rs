//! PyInstaller, which Debian does not have: one of the tools that make programs which look for
//! themselves.
//!
//! It goes to `target/pyinstaller`, and is for the distribution's Python.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::packages;

/// The distribution's Python: others may have no library of themselves.
const PYTHON: &str = "/usr/bin/python3";

/// The package of PyPI. pip installs its dependencies, too.
const PACKAGE: &str = "pyinstaller>=6,<7";

/// Installs it, if it is missing.
///
/// # Errors
/// pip cannot be run, or says why.
pub(crate) fn provide() -> anyhow::Result<()> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/pyinstaller"));
    if folder.join("PyInstaller/__main__.py").exists() {
        return Ok(());
    }
    packages::announce("installing PyInstaller");
    // Else what an interrupted installation left would be in the way.
    let unfinished = folder.with_extension("unfinished");
    for left in [folder, &unfinished] {
        if left.exists() {
            fs::remove_dir_all(left).context("cannot remove an unfinished installation")?;
        }
    }
    let status = Command::new(PYTHON)
        .args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(&unfinished)
        .arg(PACKAGE)
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdin(Stdio::null())
        .status()
        .context("cannot run pip")?;
    ensure!(status.success(), "pip cannot install {PACKAGE} ({status})");
    fs::rename(&unfinished, folder).context("cannot name the installation")
}
