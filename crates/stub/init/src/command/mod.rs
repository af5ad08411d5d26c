//! Becomes a command: puts its environment together, changes to its folder, and finds its file.

mod environment;
mod strings;

use core::convert::Infallible;

use sealcrate_packfile::index::Command;
use sealcrate_stub_start::Start;
use sealcrate_stub_start::system::{self, Errno, Text};

use self::environment::{merged, name};
pub(crate) use self::strings::Strings;
use crate::failure::{Failure, kept};

/// Becomes the program that the first of `arguments` names.
pub(crate) fn become_program(
    start: &Start,
    command: &Command<'_>,
    arguments: &Strings,
) -> Result<Infallible, Failure> {
    let program = kept(arguments.iter().next().ok_or(Failure::NoCommand)?)?;
    let environment = merged(start, command.env)?;
    // If the user asked for another folder, the process is in it already.
    if !command.working_dir.is_empty() && system::is_in_root() {
        let path = kept(command.working_dir)?;
        system::change_folder(path).map_err(|error| Failure::Folder { path, error })?;
    }
    let error = execute(program, arguments, &environment);
    Err(Failure::Execute { program, error })
}

/// Executes a program by its path, or out of the first folder of PATH that has it. execvp(3).
fn execute(program: &[u8], arguments: &Strings, environment: &Strings) -> Errno {
    let execute = |parts: &[&[u8]]| match Text::of(parts) {
        // SAFETY: `Strings::list` returns such lists.
        Ok(path) => unsafe {
            system::execute(path.as_c_str(), arguments.list(), environment.list())
        },
        Err(errno) => errno,
    };
    if program.contains(&b'/') {
        return execute(&[program]);
    }
    let path = environment.iter().find(|variable| name(variable) == b"PATH");
    let folders = path.and_then(|path| path.get(5..)).unwrap_or_default();
    let mut found = Errno::NO_ENTRY;
    for folder in folders.split(|byte| *byte == b':').filter(|folder| !folder.is_empty()) {
        match execute(&[folder, b"/", program]) {
            Errno::NO_ENTRY | Errno::NOT_A_DIRECTORY => {}
            Errno::ACCESS => found = Errno::ACCESS,
            errno => return errno,
        }
    }
    found
}
