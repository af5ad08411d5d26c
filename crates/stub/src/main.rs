//! The stub of a packed program: it finds the key, opens the program into memory, and becomes it.
//!
//! The crate in `start` has the parts that the stub shares with other programs that open themselves. The stub
//! executes nothing before it has authenticated the whole payload.

#![no_std]
#![no_main]

mod decoded;
mod failure;
mod folder;
mod placeholder;
mod privileges;
mod program;

use sealcrate_agefile::AgeFile;
use sealcrate_packfile::Segment;
use sealcrate_stub_start::{self as start, FilePrivilege, Start, system};

use crate::decoded::Decoded;
use crate::failure::Failure;

/// Opens the program and becomes it.
#[unsafe(no_mangle)]
fn sealcrate_main(start: &mut Start) -> ! {
    let Err(failure) = run(start);
    start::end(&failure)
}

fn run(start: &mut Start) -> Result<core::convert::Infallible, Failure> {
    let segment = start.payload().ok_or(Failure::NotPacked)?;
    let Segment { parameters, age } = Segment::parse(segment).map_err(start::Failure::Segment)?;
    let file = AgeFile::parse(age).map_err(start::Failure::Header)?;
    let limit = start::check_memory(&parameters)?;

    let file_key = start::file_key(start, &parameters, file.header(), limit)?;
    let mut program = Decoded::None(start.name());
    let decoded = start::Decoder::default().decode(file.chunks(&file_key), &mut program);
    drop(file_key);
    if let Err(failure) = decoded {
        program.discard();
        return Err(failure);
    }
    system::wipe_stack();

    start.remove_variable(parameters.variable());
    if start.privilege() == FilePrivilege::Ids && matches!(program, Decoded::Folder(_)) {
        program.discard();
        return Err(Failure::IdsInFolder);
    }
    privileges::pass_on(start, &program);
    Err(program.run(start))
}
