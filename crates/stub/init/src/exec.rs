//! The way of a command that is asked for in a container that is unlocked already.

use core::convert::Infallible;

use sealcrate_packfile::Segment;
use sealcrate_packfile::index::Command;
use sealcrate_stub_start::{self as start, Start};

use crate::command::{Strings, become_program};
use crate::failure::Failure;
use crate::paths::INDEX;
use crate::payload;
use crate::unlock_folder::state;

/// The command to run in an unlocked container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The arguments after `exec --`.
    Command,
    /// The image's own check.
    Healthcheck,
}

/// Becomes the command that was asked for, with the environment of the image's command.
///
/// If you gave an engine the key in a variable, the engine gives the variable to every program in the
/// container. So this function removes it, as the start does.
pub(crate) fn run(start: &mut Start, asked: Asked) -> Result<Infallible, Failure> {
    let state = state::open()?;
    let file = payload::open(INDEX)?;
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
