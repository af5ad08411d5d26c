//! Installation that starts nothing: neither now, nor when the machine starts again.
//!
//! The scripts of packages start and enable services by four programs, which they look for in `PATH`. apt gets a
//! `PATH` that begins with a folder in which these programs do nothing. The folder goes after the installation.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Context;
use tempfile::TempDir;

/// The programs that start services, or set them to start with the machine. Debian Policy 9.3.3,
/// deb-systemd-helper(1p), deb-systemd-invoke(1p).
const PROGRAMS: [&str; 4] =
    ["deb-systemd-helper", "deb-systemd-invoke", "invoke-rc.d", "update-rc.d"];

/// The folders of the system's programs, as apt has them.
const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The folder, for as long as an installation runs.
pub(super) struct WithoutServices {
    folder: TempDir,
}

impl WithoutServices {
    /// Writes the programs.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn new() -> anyhow::Result<Self> {
        let readable = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().prefix("sealcrate-xtask-").tempdir();
        let folder = folder.context("cannot make a temporary folder")?;
        fs::set_permissions(folder.path(), readable.clone())?;
        for program in PROGRAMS {
            let path = folder.path().join(program);
            fs::write(&path, "#!/bin/sh\nexit 0\n")
                .and_then(|()| fs::set_permissions(&path, readable.clone()))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    /// Returns the options of apt that put the folder first.
    pub(super) fn options(&self) -> [String; 2] {
        ["--option".into(), format!("DPkg::Path={}:{SYSTEM}", self.folder.path().display())]
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// As dpkg runs the script of a package.
    #[test]
    fn scripts_of_packages_start_and_enable_nothing() {
        let without = WithoutServices::new().unwrap();
        let [_, option] = without.options();
        let path = option.strip_prefix("DPkg::Path=").unwrap();
        for program in PROGRAMS {
            let script = format!("command -v {program} && {program} start nginx.service");
            let output = Command::new("/bin/sh").args(["-ec", &script]).env("PATH", path).output();
            let output = output.unwrap();
            let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            assert!(output.status.success(), "{program}");
            assert_eq!(found, without.folder.path().join(program).display().to_string());
        }
    }
}
