//! Where a key is looked for, but for the terminal: two variables and a file.

use sealcrate_packfile::{KeyText, MAX_KEY_TEXT, Parameters, without_line_end};

use crate::failure::{Failure, Place};
use crate::pages::Pages;
use crate::start::Start;
use crate::system::{self, Errno, File};

/// How the name of the variable ends that names a file.
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
    /// In a file, with so many bytes read.
    Read(Pages<u8>, usize),
}

impl Found {
    /// Makes a key of what was typed: so many bytes.
    pub fn typed(text: Pages<u8>, len: usize) -> Self {
        Self { place: Place::Terminal, text: Text::Read(text, len) }
    }

    /// Tells what the key is. A line end behind it does not count, wherever it was.
    pub fn parse(&self) -> Result<KeyText<'_>, Failure> {
        let text = match &self.text {
            Text::Environment(value) => *value,
            Text::Read(text, len) => &text[..*len],
        };
        KeyText::parse(without_line_end(text))
            .map_err(|error| Failure::Key { place: self.place, error })
    }
}

/// Looks for a key in the variable, in the file that the other variable names, and in the start key
/// file. The first that is there is it.
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

/// Tells why a file cannot be read. Files of keys are for one user, often not for a container's.
fn unreadable(path: &'static [u8], error: Errno) -> Failure {
    match error {
        Errno::ACCESS => Failure::KeyFileOfAnother { path, user: system::user().0 },
        error => Failure::KeyFile { path, error },
    }
}

fn read(path: &'static [u8]) -> Result<Found, Errno> {
    let file = File::open(path)?;
    // Room for a line end, and for one byte that is too many.
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
