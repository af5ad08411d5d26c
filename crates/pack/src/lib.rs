//! Packs programs so that they open themselves when they start.
//!
//! [`Program`] tells which files can be packed. Nothing here prints, prompts, or reads the
//! environment.

mod elf;
#[cfg(test)]
mod fixtures;
mod program;
mod stubs;

pub use program::{Program, ProgramError};
pub use stubs::{Stub, Target, stubs};
