//! Clear bases: programs of the machine's own Debian packages, with the files that they need to run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sealcrate_tests::Done;

/// Files of this machine, for the same paths in an image.
pub(crate) struct Base {
    paths: BTreeSet<String>,
}

impl Base {
    /// Takes a program, and the libraries that it is linked to.
    pub(crate) fn of_program(path: &str) -> Self {
        let linked = Done::of(Command::new("ldd").arg(path)).with_status(0).stdout;
        let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
        Self { paths: libraries.chain([path]).map(ToOwned::to_owned).collect() }
    }

    /// Takes also another program, and the libraries that it is linked to.
    pub(crate) fn with_program(mut self, path: &str) -> Self {
        self.paths.extend(Self::of_program(path).paths);
        self
    }

    /// Takes also the files of a package, without its documents.
    pub(crate) fn with_package(mut self, package: &str) -> Self {
        let listed = Done::of(Command::new("dpkg").args(["-L", package])).with_status(0).stdout;
        let files = listed
            .lines()
            .filter(|path| !path.starts_with("/usr/share/doc") && Path::new(path).is_file());
        self.paths.extend(files.map(ToOwned::to_owned));
        self
    }

    /// Takes also the files in these folders, as far as the folders exist.
    pub(crate) fn with_folders(mut self, folders: &[&str]) -> Self {
        let there: Vec<_> = folders.iter().filter(|folder| Path::new(folder).exists()).collect();
        if !there.is_empty() {
            let find = Done::of(Command::new("find").args(["-L"]).args(there).args(["-type", "f"]));
            self.paths.extend(find.with_status(0).stdout.lines().map(ToOwned::to_owned));
        }
        self
    }

    /// Returns the path of the file with this name.
    pub(crate) fn path_of(&self, name: &str) -> String {
        let mut paths = self.paths.iter();
        paths.find(|path| path.rsplit('/').next() == Some(name)).unwrap().clone()
    }

    /// Returns the files as a tar file. It follows links, since their targets may lie elsewhere.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let list = tempfile::NamedTempFile::new().unwrap();
        let names: Vec<_> = self.paths.iter().map(|path| path.trim_start_matches('/')).collect();
        fs::write(list.path(), names.join("\n")).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["-C", "/", "--dereference", "--no-recursion", "--owner=0", "--group=0", "-c"]);
        let output = tar.arg("-T").arg(list.path()).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "tar failed ({})", output.status);
        output.stdout
    }
}
