//! Looks for a key everywhere except at the terminal: in two variables and a file.

use sealcrate_packfile::{KeyText, MAX_KEY_TEXT, Parameters, without_line_end};

use crate::failure::{Failure, Place};
use crate::memory::Pages;
use crate::process::Start;
use crate::system::{self, Errno, File};

/// The end of the name of the variable that names a file.
const FILE_SUFFIX: &str = "_FILE";

/// A key as it was found.
pub struct Found {
    /// Where it was.
    pub place: Place,
    text: Text,
}

enum Text {
    /// In the environment, which is wiped later.
    Environment(&'static [u8]),
    /// Read from a file or from the terminal, with its length in bytes.
    Read(Pages<u8>, usize),
}

impl Found {
    /// Makes a key from the first `len` bytes of a text that the user typed.
    pub fn typed(text: Pages<u8>, len: usize) -> Self {
        Self { place: Place::Terminal, text: Text::Read(text, len) }
    }

    /// Parses the key. A line end behind it does not count, wherever the key was.
    pub fn parse(&self) -> Result<KeyText<'_>, Failure> {
        let text = match &self.text {
            Text::Environment(value) => *value,
            Text::Read(text, len) => &text[..*len],
        };
        KeyText::parse(without_line_end(text))
            .map_err(|error| Failure::Key { place: self.place, error })
    }
}

/// Looks for a key in the variable, in the file that the other variable names, and in the start key file. The
/// first one that is there counts.
pub fn search(start: &Start, parameters: &Parameters<'static>) -> Result<Option<Found>, Failure> {
    let name = parameters.variable();
    if let Some(value) = start.variable(name, "") {
        let text = Text::Environment(value);
        return Ok(Some(Found { place: Place::Variable(name), text }));
    }
    if let Some(path) = start.variable(name, FILE_SUFFIX) {
        return read(path).map(Some).map_err(|error| unreadable(path, error));
    }
    let path = parameters.start_key_file();
    match read(path) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NO_ENTRY | Errno::NOT_A_DIRECTORY) => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Returns the failure to read a file. Often only one user may read a key file, and a container runs as
/// another user.
fn unreadable(path: &'static [u8], error: Errno) -> Failure {
    match error {
        Errno::ACCESS => Failure::KeyFileOfAnother { path, user: system::user().0 },
        error => Failure::KeyFile { path, error },
    }
}

fn read(path: &'static [u8]) -> Result<Found, Errno> {
    let file = File::open(path)?;
    // The room is for a key, a line end, and one byte more: that byte shows that a text is too long.
    let mut text = Pages::new(MAX_KEY_TEXT + 3)?;
    let mut len = 0;
    while len < text.len() {
        match file.descriptor().read(&mut text[len..])? {
            0 => break,
            count => len += count,
        }
    }
    Ok(Found { place: Place::File(path), text: Text::Read(text, len) })
}
