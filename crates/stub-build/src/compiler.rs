//! Compilers: which machines they can build for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sealcrate_targets::Target;

use crate::{Build, Error};

/// A compiler, and a folder with libraries for it.
#[derive(Debug)]
pub struct Compiler {
    pub(crate) program: PathBuf,
    pub(crate) sysroot: PathBuf,
    /// The linker that comes with it, if one does.
    pub(crate) lld: Option<PathBuf>,
}

impl Compiler {
    /// Looks for a compiler with its own libraries.
    pub fn find(program: &Path) -> Option<Self> {
        let print = |what: &[&str]| {
            let printed = Command::new(program).args(what).output().ok()?;
            String::from_utf8(printed.stdout).ok()
        };
        let sysroot = PathBuf::from(print(&["--print", "sysroot"])?.trim());
        let version = print(&["--version", "--verbose"])?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
        let lld = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
        let lld = lld.exists().then_some(lld);
        Some(Self { program: program.to_owned(), sysroot, lld })
    }

    /// Takes libraries that lie in another folder than the compiler's own.
    pub fn with_libraries(self, sysroot: &Path) -> Self {
        Self { sysroot: sysroot.to_owned(), ..self }
    }

    /// Returns the compiler's program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Returns the folder that has a folder for each machine that there are libraries for.
    pub fn libraries(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    /// Says how this compiler builds for a target.
    ///
    /// # Errors
    /// It has no `core` for it, or there is no linker.
    pub fn build_for(&self, target: &'static Target) -> Result<Build<'_>, Error> {
        let triples = target.toolchain.triples;
        match triples.iter().find(|triple| self.has_core(triple)) {
            Some(triple) => self.build_by(target, triple),
            None => Err(Error::CannotBuild(format!(
                "{} has no libraries for {}",
                self.program.display(),
                triples.join(" and ")
            ))),
        }
    }

    /// Says how this compiler builds for a target under one of the compiler's names for it.
    ///
    /// # Errors
    /// There is no linker.
    pub fn build_by(&self, target: &'static Target, triple: &str) -> Result<Build<'_>, Error> {
        let linker = match &self.lld {
            Some(lld) => lld.clone(),
            None => in_path(target.toolchain.linker).ok_or_else(|| {
                let linker = target.toolchain.linker;
                Error::CannotBuild(format!("stubs for {target} need the linker {linker}"))
            })?,
        };
        Ok(Build { compiler: self, target, triple: triple.to_owned(), linker })
    }

    fn has_core(&self, triple: &str) -> bool {
        let files = fs::read_dir(self.libraries().join(triple).join("lib"));
        files.is_ok_and(|files| {
            files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
        })
    }
}

/// Finds a program in the folders of `PATH`.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists())
}
