//! Operations on programs: packing them, getting them back, and answering their challenges.

mod destination;
mod error;
mod pack;
mod respond;
mod unpack;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealcrate_image::{Digest, Leftovers, Progress, Quiet};
use sealcrate_pack::Target;

use crate::Result;
use crate::error::{Error, ErrorSource};
use crate::listener::{Listener, Notice, Silent};
use crate::session::Names;

pub use destination::{Destination, Existing};
pub use error::{DestinationError, PackOptionsError, RespondError};
pub use pack::{PackOptions, StartFolder, pack, start_key_file};
pub use respond::{ProgramLocation, RespondOptions, Responded, respond};
pub use unpack::{UnpackOptions, UnpackedPart, unpack};

/// The tools of operations that work on files alone.
pub struct FileSession {
    /// The way to show progress.
    pub progress: Arc<dyn Progress>,
    /// The list of temporary names that an end of the program has to remove.
    pub leftovers: Leftovers,
    /// The listener.
    pub listener: Arc<dyn Listener>,
}

impl FileSession {
    /// Makes a session that shows no progress, and tells nobody anything.
    pub fn new() -> Self {
        Self {
            progress: Arc::new(Quiet),
            leftovers: Leftovers::default(),
            listener: Arc::new(Silent),
        }
    }

    /// Tells the listener.
    fn notice(&self, notice: Notice) {
        self.listener.notice(&notice);
    }

    /// Tells the listener that names are given, until the value is dropped.
    fn names(&self) -> Names<'_> {
        Names::begin(&*self.listener)
    }
}

impl Default for FileSession {
    fn default() -> Self {
        Self::new()
    }
}

/// A program, packed or not, that was written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenProgram {
    /// The digest of the file.
    pub digest: Digest,
    /// The length of the file in bytes.
    pub size: u64,
    /// The target that the program runs on.
    pub target: &'static Target,
}

impl WrittenProgram {
    fn new(written: sealcrate_pack::Written, target: &'static Target) -> Self {
        Self { digest: written.digest, size: written.size, target }
    }
}

/// Opens a file to read it.
fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(cannot("read", path))
}

/// Returns a function that says of an error which action on a file it ended.
fn cannot<E: Into<ErrorSource>>(action: &'static str, path: &Path) -> impl Fn(E) -> Error {
    let path: PathBuf = path.to_owned();
    move |error| Error::Place { action, location: path.display().to_string(), source: error.into() }
}
