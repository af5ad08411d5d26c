//! Programs of a suite, for commands on this machine: a script for each, which runs the program beside the engine.
//!
//! A program sees the files of its suite, and of this machine only the folders that the engine shares.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::{Folder, PROGRAMS};
use crate::root;

/// The programs that get a script: where a folder lacks one, making the scripts fails.
const NAMES: [&str; 10] = [
    "age",
    "age-keygen",
    "buildah",
    "containerd",
    "cosign",
    "ctr",
    "docker",
    "oras",
    "podman",
    "skopeo",
];

/// The scripts of a suite.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Returns the folders of this machine that an engine and its programs see where they are.
    ///
    /// # Errors
    /// The folder of this repository cannot be found.
    pub(crate) fn shared_folders() -> anyhow::Result<[OsString; 2]> {
        let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .canonicalize()
            .context("cannot find the repository")?;
        let temporary =
            env::temp_dir().canonicalize().context("cannot find the folder of temporary files")?;
        Ok([repository.into(), temporary.into()])
    }

    /// Writes the scripts into the folder of an engine that runs.
    ///
    /// # Errors
    /// The suite lacks a program; the folder cannot be written.
    pub(crate) fn write(suite: &Folder, engine: &Path) -> anyhow::Result<Self> {
        let inside = fs::read_to_string(engine.join("inside")).context("the engine has ended")?;
        let folder = engine.join("programs");
        fs::create_dir(&folder).context("cannot make the folder of programs")?;
        for name in NAMES {
            let program = Path::new("usr/bin").join(name);
            ensure!(suite.path().join(&program).exists(), "{} is missing", program.display());
            let path = folder.join(name);
            fs::write(&path, script(inside.trim(), &Path::new("/").join(program)))
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    /// Lets a command find the scripts before the programs of this machine, and tells it their folder.
    ///
    /// # Errors
    /// The folder cannot be in `PATH`.
    pub(crate) fn name_to(&self, command: &mut Command) -> anyhow::Result<()> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [self.folder.clone()].into_iter().chain(env::split_paths(&path));
        let path = env::join_paths(folders).context("the folder of programs cannot be in PATH")?;
        command.env("PATH", path).env(PROGRAMS, &self.folder);
        Ok(())
    }
}

/// Returns a script that runs a program in the namespaces of a process, with our variables and in our folder. The
/// program ends when the script does.
fn script(inside: &str, program: &Path) -> String {
    let as_root = root::command("nsenter");
    let words = [as_root.get_program()].into_iter().chain(as_root.get_args());
    let nsenter: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let nsenter = nsenter.join(" ").replace("sudo --", "sudo --preserve-env --");
    let program = program.display();
    format!(
        r#"#!/bin/sh
exec {nsenter} --target {inside} --mount --pid sh -c '
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    export PATH
    cd "$1" 2>/dev/null || cd /
    shift
    exec setpriv --pdeathsig TERM {program} "$@"
' sh "$PWD" "$@"
"#
    )
}
