//! The first program in a locked image: it finds the key, unlocks the private files in memory, and becomes
//! the image's command.
//!
//! As `init exec -- COMMAND` it gives a command in an unlocked container the private environment. As `init
//! exec --healthcheck` it runs the image's own check. None of its processes stays.

#![no_std]
#![no_main]

mod checked;
mod command;
mod entrypoint;
mod exec;
mod failure;
mod paths;
mod payload;
mod unlock;
mod unlock_folder;

use sealcrate_stub_start::{self as start, Start};

use crate::failure::Failure;

/// The first argument that asks for a command in a running container.
const EXEC: &[u8] = b"exec";

#[unsafe(no_mangle)]
fn sealcrate_main(start: &mut Start) -> ! {
    let Err(failure) = dispatch(start);
    start::end(&failure)
}

fn dispatch(start: &mut Start) -> Result<core::convert::Infallible, Failure> {
    let mut arguments = start.arguments().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(EXEC), Some(b"--")) => exec::run(start, exec::Asked::Command),
        (Some(EXEC), Some(b"--healthcheck")) => exec::run(start, exec::Asked::Healthcheck),
        _ => entrypoint::run(start),
    }
}
