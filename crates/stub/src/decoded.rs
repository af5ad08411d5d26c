//! Writes the program as it is decoded, into a file in memory without a name or into a folder.

use sealcrate_packfile::FOLDER_MAGIC;
use sealcrate_stub_start::{self as start, Sink, Start};

use crate::failure::Failure;
use crate::folder::InFolder;
use crate::program::Program;

/// The program, as far as it is decoded.
pub(crate) enum Decoded<'n> {
    /// Nothing yet. The program will have this name.
    None(&'n [u8]),
    /// A program in memory.
    Program(Program),
    /// A program in a folder.
    Folder(InFolder),
}

impl Decoded<'_> {
    /// Becomes the program. Returns only if that fails.
    pub(crate) fn run(self, start: &mut Start) -> Failure {
        match self {
            Self::None(_) => start::Failure::Content("it holds no program").into(),
            Self::Program(program) => program.run(start),
            Self::Folder(folder) => folder.run(start),
        }
    }

    /// Removes the files in the folder, if the program will not be run.
    pub(crate) fn discard(self) {
        if let Self::Folder(folder) = self {
            folder.discard();
        }
    }
}

impl Sink for Decoded<'_> {
    type Error = Failure;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if let Self::None(name) = self {
            // The first bytes of a decoder or a chunk are much more than four, unless the content is shorter.
            *self = match bytes.starts_with(&FOLDER_MAGIC) {
                true => Self::Folder(InFolder::begin(bytes)?),
                false => Self::Program(Program::begin(name, bytes)?),
            };
        }
        match self {
            Self::None(_) => Ok(()),
            Self::Program(program) => program.write(bytes),
            Self::Folder(folder) => folder.write(bytes),
        }
    }
}
