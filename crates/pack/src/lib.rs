//! Packs programs so that they open themselves when they start.
//!
//! [`Program`] tells which files can be packed, [`Packer`] packs a program, and [`Packed`] opens a
//! packed one. The crate `sealcrate-packfile` reads and writes the payload of a packed program. The
//! stub has the code of its start. Nothing here prints, prompts, or reads the environment.

mod answer;
mod class;
mod compress;
mod elf;
#[cfg(test)]
mod fixtures;
mod frame;
mod generate;
mod in_folder;
mod key;
mod known;
mod own_file;
mod pack;
mod packed;
mod privileges;
mod program;
mod program_only;
mod protection;
mod search;
mod stubs;

pub use answer::{AnswerError, Question};
pub use class::class;
pub use compress::Compression;
pub use frame::FrameError;
pub use generate::{NewIdentity, generate_passphrase};
pub use in_folder::{InFolder, InFolderError};
pub use key::{Key, KeyError};
pub use own_file::OwnFile;
pub use pack::{PackError, Packer, Written};
pub use packed::{OpenError, Packed, PackedError};
pub use privileges::Privilege;
pub use program::{Program, ProgramError};
pub use protection::{
    CoverError, DEFAULT_WORK_FACTOR, MAX_WORK_FACTOR, MIN_WORK_FACTOR, Protection, ProtectionError,
    Recipient, RecipientError,
};
pub use sealcrate_agefile::NoRandomness;
pub use sealcrate_packfile::challenge::ChallengeError;
pub use sealcrate_packfile::response::ResponseError;
pub use sealcrate_packfile::{KeyOddity, KeyTextError, Parameters, ParametersError};
pub use sealcrate_targets::{TARGETS, Target};
pub use search::{Finding, find_program};
pub use stubs::{Stub, inits, missing_targets, stubs};
