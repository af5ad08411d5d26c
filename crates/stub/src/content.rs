//! Where the program goes as it is decoded: into memory that has no name, or into a folder.

use sealcrate_packfile::FOLDER_MAGIC;
use sealcrate_stub_start::{self as start, Sink, Start};

use crate::failure::Failure;
use crate::folder::InFolder;
use crate::program::Program;

/// What is decoded.
pub(crate) enum Content<'n> {
    /// Nothing yet; the program is to have this name.
    None(&'n [u8]),
    /// A program in memory.
    Program(Program),
    /// A program in a folder.
    Folder(InFolder),
}

impl Content<'_> {
    /// Becomes the program. Returns only where that fails.
    pub(crate) fn run(self, start: &mut Start) -> Failure {
        match self {
            Self::None(_) => start::Failure::Content("it holds no program").into(),
            Self::Program(program) => program.run(start),
            Self::Folder(folder) => folder.run(start),
        }
    }

    /// Removes what was made, where it will not be run.
    pub(crate) fn discard(self) {
        if let Self::Folder(folder) = self {
            folder.discard();
        }
    }
}

impl Sink for Content<'_> {
    type Error = Failure;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if let Self::None(name) = self {
            // Both decoders and chunks give much more than four bytes at first, if there are so many.
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
