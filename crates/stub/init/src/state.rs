//! What is left of the index while the command runs: how commands are run, for those that come later.
//!
//! It lies among the unlocked files, in memory, for the user that has unlocked them.

use core::convert::Infallible;

use sealcrate_packfile::Segment;
use sealcrate_packfile::index::Command;
use sealcrate_stub_start::system::{Errno, Folder, Mapped};
use sealcrate_stub_start::{self as start, Start};

use crate::failure::Failure;
use crate::payload;
use crate::run::become_program;
use crate::strings::Strings;

/// Our own folder in the unlock folder.
pub(crate) const FOLDER: &[u8] = b".sealcrate";

/// The file in it.
const FILE: &[u8] = b"state";

/// A file there that the first of several processes makes when it fails.
const FAILED: &[u8] = b"failed";

/// The path of the file.
const PATH: &[u8] = b"/dev/sealcrate/.sealcrate/state";

/// What is to be run in a container that is unlocked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// What is behind `exec --`.
    Command,
    /// The image's own check.
    Healthcheck,
}

/// Writes the state.
pub(crate) fn write(unlocked: &Folder, command: &[u8]) -> Result<(), Errno> {
    let folder = unlocked.beneath(FOLDER)?;
    folder.make_file(FILE)?.descriptor().write(command)
}

/// Tells whether this process is the first one that fails.
pub(crate) fn is_first_failure(unlocked: &Folder) -> bool {
    let made = unlocked.beneath(FOLDER).and_then(|folder| folder.make_file(FAILED));
    !matches!(made, Err(Errno::EXISTS))
}

/// Becomes what is asked for, with the environment of the image's command.
///
/// An engine that was given the key in a variable gives it to whatever runs in the container; here it
/// is removed as at the start.
pub(crate) fn run(start: &mut Start, asked: Asked) -> Result<Infallible, Failure> {
    let state = Mapped::open(PATH).map_err(Failure::NotUnlocked)?;
    let file = payload::open(payload::INDEX)?;
    let parameters = Segment::parse(&file).map_err(start::Failure::Segment)?.parameters;
    start.remove_variable(parameters.variable());
    let command = Command::parse(&state)?;
    let given = || start.argument_places().skip(3);
    let mut arguments = match asked {
        Asked::Command => Strings::new(given().count(), 0)?,
        Asked::Healthcheck => {
            let bytes = command.healthcheck.iter().map(<[u8]>::len).sum();
            Strings::new(command.healthcheck.len(), bytes)?
        }
    };
    match asked {
        Asked::Command => given().for_each(|place| arguments.add(place)),
        Asked::Healthcheck => {
            command.healthcheck.iter().for_each(|argument| arguments.add_copy(argument));
        }
    }
    become_program(start, &command, &arguments)
}
