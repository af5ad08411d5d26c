//! Why there are no stubs.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use sealcrate_targets::Target;

/// Why stubs cannot be built, or built ones not be taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The compiler has no `core` for the target, or there is no linker for it.
    CannotBuild(String),
    /// cargo could not build, and said this.
    Cargo(String, String),
    /// A file or folder cannot be used.
    File(PathBuf, io::Error),
    /// A folder of built ones has one program of a target, and lacks the other one.
    Half(PathBuf),
    /// A file is no program for the target that its name says.
    NoProgram(PathBuf),
    /// A folder of built ones has nothing.
    Nothing(PathBuf),
    /// A release lacks these.
    Release(Vec<&'static Target>),
}

impl Error {
    /// Names the file that an error is about.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File(path.to_owned(), error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotBuild(what) => f.write_str(what),
            Self::Cargo(triple, said) => {
                write!(f, "the stub for {triple} cannot be built:\n{said}")
            }
            Self::File(path, _) => write!(f, "cannot use {}", path.display()),
            Self::Half(path) => {
                write!(f, "{} is not there, but the other program of its target is", path.display())
            }
            Self::NoProgram(path) => {
                write!(f, "{} is no program for the target in its name", path.display())
            }
            Self::Release(missing) => {
                let names: Vec<&str> = missing.iter().map(|target| target.name).collect();
                write!(
                    f,
                    "a release needs stubs for all targets, and has none for {}: `cargo xtask stubs` \
                     makes them, and SEALCRATE_STUBS_DIR names their folder",
                    names.join(", ")
                )
            }
            Self::Nothing(folder) => {
                write!(
                    f,
                    "{} has no stubs: `cargo xtask stubs` makes such a folder",
                    folder.display()
                )
            }
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            _ => None,
        }
    }
}
