//! Packs programs so that they open themselves when they start.
//!
//! [`Program`] tells which files can be packed, [`Packer`] packs a program, and [`Packed`] opens a
//! packed one. The crate `sealcrate-packfile` reads and writes the payload of a packed program. The
//! stub has the code of its start. Nothing here prints, prompts, or reads the environment.

mod answer;
mod class;
mod content;
#[cfg(test)]
mod fixtures;
mod keys;
mod pack;
mod packed;
mod program;
mod search;
mod stub;

pub use answer::{AnswerError, Question};
pub use class::class;
pub use content::compress::Compression;
pub use content::in_folder::{InFolder, InFolderError};
pub use keys::key::{Key, KeyError};
pub use keys::new_keys::{NewIdentity, generate_passphrase};
pub use keys::openers::{
    CoverError, DEFAULT_WORK_FACTOR, MAX_WORK_FACTOR, MIN_WORK_FACTOR, Openers, OpenersError,
};
pub use keys::recipient::{Recipient, RecipientError};
pub use pack::{PackError, Packer, Written};
pub use packed::{OpenError, Packed, PackedError};
pub use program::own_file::OwnFile;
pub use program::privileges::Privilege;
pub use program::{Program, ProgramError};
pub use sealcrate_agefile::NoRandomness;
pub use sealcrate_packfile::challenge::ChallengeError;
pub use sealcrate_packfile::response::ResponseError;
pub use sealcrate_packfile::{KeyOddity, KeyTextError, Parameters, ParametersError};
pub use sealcrate_targets::{TARGETS, Target};
pub use search::{Finding, find_program};
pub use stub::frame::FrameError;
pub use stub::origin::Origin;
pub use stub::{Stub, inits, missing_targets, stubs};
