//! Folders of built stubs: two files for each target, `TARGET-stub` and `TARGET-init`.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sealcrate_targets::{TARGETS, Target};

use crate::{Error, PROGRAMS};

/// As much of a program as tells its machine: ELF, up to `e_machine`.
const HEADER: usize = 20;

/// The stub and the init of a target, as files.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pair {
    /// The kind of machine that they run on.
    pub target: &'static Target,
    /// The stub.
    pub stub: PathBuf,
    /// The init.
    pub init: PathBuf,
}

impl Pair {
    /// Finds the pairs in a folder, in the order of their targets.
    ///
    /// # Errors
    /// There is none, a half one, or a file that is no program for the target in its name.
    pub fn all_in(folder: &Path) -> Result<Vec<Self>, Error> {
        let mut pairs = Vec::new();
        for target in &TARGETS {
            let [stub, init] = names(target).map(|name| folder.join(name));
            match (is_there(&stub, target)?, is_there(&init, target)?) {
                (true, true) => pairs.push(Self { target, stub, init }),
                (false, false) => (),
                (true, false) => return Err(Error::Half(init)),
                (false, true) => return Err(Error::Half(stub)),
            }
        }
        if pairs.is_empty() { Err(Error::Nothing(folder.to_owned())) } else { Ok(pairs) }
    }

    /// Copies both to a folder under the names that [`Pair::all_in`] looks for. A file that has not
    /// changed is not written.
    ///
    /// # Errors
    /// The file that cannot be read or written.
    pub fn keep_in(&self, folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let [stub, init] = names(self.target).map(|name| folder.join(name));
        for (from, to) in [(&self.stub, &stub), (&self.init, &init)] {
            let content = fs::read(from).map_err(Error::file(from))?;
            if fs::read(to).ok().as_ref() != Some(&content) {
                fs::write(to, content).map_err(Error::file(to))?;
            }
        }
        Ok(Self { target: self.target, stub, init })
    }
}

/// Returns the targets that are in none of the pairs.
pub fn missing(pairs: &[Pair]) -> Vec<&'static Target> {
    TARGETS.iter().filter(|target| pairs.iter().all(|pair| pair.target != *target)).collect()
}

fn names(target: &Target) -> [String; 2] {
    PROGRAMS.map(|program| format!("{target}-{}", program.kept))
}

/// Tells whether a file is there, and checks that it is a program for a target.
fn is_there(path: &Path, target: &Target) -> Result<bool, Error> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::file(path)(error)),
    };
    let mut header = [0; HEADER];
    let is_program = file.read_exact(&mut header).is_ok()
        && header.starts_with(b"\x7fELF")
        && header[4] == target.class.number()
        && header[18..] == target.machine.to_le_bytes();
    if is_program { Ok(true) } else { Err(Error::NoProgram(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Makes a folder with the beginnings of both programs of some targets.
    fn folder(targets: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in targets {
            let target = Target::named(name).unwrap();
            let mut header = b"\x7fELF".to_vec();
            header.resize(HEADER, 0);
            header[4] = target.class.number();
            header[18..].copy_from_slice(&target.machine.to_le_bytes());
            for name in names(target) {
                fs::write(folder.path().join(name), &header).unwrap();
            }
        }
        folder
    }

    #[test]
    fn pairs_are_found_and_others_are_missing() {
        let folder = folder(&["i386", "amd64"]);
        let pairs = Pair::all_in(folder.path()).unwrap();
        let found: Vec<&str> = pairs.iter().map(|pair| pair.target.name).collect();
        assert_eq!(found, ["amd64", "i386"]);
        assert!(pairs[0].stub.ends_with("amd64-stub") && pairs[0].init.ends_with("amd64-init"));
        let missing: Vec<&str> = missing(&pairs).iter().map(|target| target.name).collect();
        assert_eq!(missing, ["arm64", "armv7"]);
    }

    #[test]
    fn folder_with_nothing_is_refused() {
        let folder = folder(&[]);
        assert!(matches!(Pair::all_in(folder.path()), Err(Error::Nothing(_))));
        let absent = folder.path().join("absent");
        assert!(matches!(Pair::all_in(&absent), Err(Error::Nothing(_))));
    }

    #[test]
    fn half_a_pair_is_refused() {
        for (removed, kept) in [("stub", "init"), ("init", "stub")] {
            let folder = folder(&["amd64"]);
            fs::remove_file(folder.path().join(format!("amd64-{removed}"))).unwrap();
            let error = Pair::all_in(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("amd64-{removed} is not there")), "{error} {kept}");
        }
    }

    #[test]
    fn program_for_another_machine_is_refused() {
        let folder = folder(&["amd64", "arm64"]);
        let file = |name: &str| folder.path().join(name);
        fs::copy(file("arm64-stub"), file("amd64-stub")).unwrap();
        assert!(
            matches!(Pair::all_in(folder.path()), Err(Error::NoProgram(path)) if path == file("amd64-stub"))
        );
        fs::write(file("amd64-stub"), b"\x7fELF").unwrap();
        assert!(matches!(Pair::all_in(folder.path()), Err(Error::NoProgram(_))));
    }
}
