//! The way of a start: opens the index, checks the image, unlocks the private files, and becomes the command.

use core::convert::Infallible;

use sealcrate_agefile::AgeFile;
use sealcrate_packfile::Segment;
use sealcrate_packfile::index::Command;
use sealcrate_stub_start::{self as start, Decoder, Start, system};

use crate::checked;
use crate::command::{Strings, become_program};
use crate::failure::{Failure, kept};
use crate::paths::INDEX;
use crate::payload::{self, IndexBytes};
use crate::unlock::{Workers, unlock};
use crate::unlock_folder::UnlockFolder;

/// Unlocks the image and becomes its command.
pub(crate) fn run(start: &mut Start) -> Result<Infallible, Failure> {
    let file = payload::open(INDEX)?;
    let file: &'static [u8] = kept(&file)?;
    let Segment { parameters, age } = Segment::parse(file).map_err(start::Failure::Segment)?;
    let age = AgeFile::parse(age).map_err(start::Failure::Header)?;
    let limit = start::check_memory(&parameters)?;
    let file_key = start::file_key(start, &parameters, age.header(), limit)?;
    let mut bytes = IndexBytes::default();
    Decoder::default().decode(age.chunks(&file_key), &mut bytes)?;
    drop(file_key);
    let index = bytes.parse()?;
    checked::check(&index)?;

    let folder = UnlockFolder::open(&index)?;
    let spare = limit.room().map(|room| room.saturating_sub(parameters.needed_mib().into()));
    let workers = Workers::new(spare);
    let clean = || {
        workers.kill();
        folder.take_back();
    };
    start::with_cleanup(&clean, || {
        if let Err(failure) = unlock(&index, &folder.folder, &workers) {
            clean();
            return Err(failure);
        }
        system::wipe_stack();
        start.remove_variable(parameters.variable());
        let arguments = arguments(start, &index.command)?;
        become_program(start, &index.command, &arguments)
    })
}

/// Returns the arguments of the command: the image's entrypoint, and then the arguments that the user gave,
/// or else the image's own ones.
#[cold]
#[inline(never)]
fn arguments(start: &Start, command: &Command<'_>) -> Result<Strings, Failure> {
    let given = || start.argument_places().skip(1);
    let own = || {
        let cmd = command.cmd.iter().filter(|_| given().next().is_none());
        command.entrypoint.iter().chain(cmd)
    };
    let count = own().count() + given().count();
    let mut arguments = Strings::new(count, own().map(<[u8]>::len).sum())?;
    own().for_each(|argument| arguments.add_copy(argument));
    given().for_each(|place| arguments.add(place));
    Ok(arguments)
}
