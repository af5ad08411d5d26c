//! Packs programs so that they open themselves when they start.
//!
//! [`Program`] tells which files can be packed. Nothing here prints, prompts, or reads the
//! environment.

mod elf;
#[cfg(test)]
mod fixtures;
mod machine;
mod program;

pub use machine::Machine;
pub use program::{Program, ProgramError};
