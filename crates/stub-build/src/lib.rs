//! Builds stubs and inits, and reads folders of built ones.
//!
//! The build script of `sealcrate-pack` and `cargo xtask stubs` share this. A stub is a program of its
//! own, for another machine perhaps, with other flags and other versions of libraries. So another run
//! of cargo builds it, with its own list of versions, in a folder of its own. That run does not see
//! the variables of the build around it. This crate depends on few others, since all builds wait for it.

mod around;
mod build;
mod compiler;
mod error;
mod ready;
mod sources;

pub use around::{check_release, folder_of_profile};
pub use build::{Build, Network};
pub use compiler::Compiler;
pub use error::Error;
pub use ready::{Pair, missing};
pub use sources::Sources;

/// The two programs of each target: the first one in a packed program, and the first one in a locked image.
pub(crate) const PROGRAMS: [Program; 2] = [
    Program { built: "sealcrate-stub", kept: "stub" },
    Program { built: "sealcrate-stub-init", kept: "init" },
];

/// The names of a program.
pub(crate) struct Program {
    /// The name that cargo gives it.
    pub(crate) built: &'static str,
    /// The end of its name in a folder of built ones, behind the name of the target.
    pub(crate) kept: &'static str,
}
