//! The part of the index that stays while the command runs: how to run the commands that come later.
//!
//! It lies in memory, among the unlocked files, for the user who has unlocked them.

use core::convert::Infallible;

use sealcrate_packfile::Segment;
use sealcrate_packfile::index::Command;
use sealcrate_stub_start::system::{Errno, Folder, Mapped};
use sealcrate_stub_start::{self as start, Start};

use crate::command::Strings;
use crate::command::become_program;
use crate::failure::Failure;
use crate::payload;

/// Our own folder in the unlock folder.
pub(crate) const FOLDER: &[u8] = b".sealcrate";

/// The name of the state's file in our own folder.
const FILE: &[u8] = b"state";

/// The name of the file there that the first process makes when it fails.
const FAILED: &[u8] = b"failed";

/// The path of the state's file.
const PATH: &[u8] = b"/dev/sealcrate/.sealcrate/state";

/// The command to run in an unlocked container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The arguments after `exec --`.
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

/// Becomes the command that was asked for, with the environment of the image's command.
///
/// If you gave an engine the key in a variable, the engine gives the variable to every program in the
/// container. So this function removes it, as the start does.
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
