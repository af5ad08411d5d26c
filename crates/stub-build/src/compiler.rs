//! Compilers: which machines they can build for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sealcrate_targets::Target;

use crate::Error;

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

    /// Returns the compiler's name for a target that it has `core` for.
    ///
    /// # Errors
    /// It has `core` for none of the names.
    pub(crate) fn triple(&self, target: &'static Target) -> Result<&'static str, Error> {
        let triples = target.toolchain.triples;
        triples.iter().copied().find(|triple| self.has_core(triple)).ok_or_else(|| {
            let (program, triples) = (self.program.display(), triples.join(" and "));
            Error::CannotBuild(format!("{program} has no libraries for {triples}"))
        })
    }

    /// Returns the linker for a target.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn linker(&self, target: &'static Target) -> Result<PathBuf, Error> {
        match &self.lld {
            Some(lld) => Ok(lld.clone()),
            None => in_path(target.toolchain.linker).ok_or_else(|| {
                let linker = target.toolchain.linker;
                Error::CannotBuild(format!("stubs for {target} need the linker {linker}"))
            }),
        }
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
