//! What runs first in a packed program: it finds the key, opens the program into memory, and becomes
//! it.
//!
//! There is no operating system's library beneath it. What is unsafe is in `arch`, `system`, `pages`,
//! `heap` and `start`; the formats are sealcrate-packfile's. Nothing is executed before the whole
//! payload has been authenticated.

#![no_std]
#![no_main]

// Linked for what compilers call.
extern crate sealcrate_stub_memory as _;

mod arch;
mod cgroup;
mod failure;
mod heap;
mod key_search;
mod lz4;
mod open;
mod pages;
mod placeholder;
mod program;
mod remote;
mod source;
mod start;
mod system;
mod terminal;
mod unpack;
mod zstd;

use core::ffi::c_void;

use sealcrate_packfile::Segment;
use sealcrate_packfile::age::AgeFile;

use crate::failure::Failure;
use crate::program::Program;
use crate::start::Start;

/// Where the start of each machine leads.
unsafe extern "C" fn entry(stack: *const c_void) -> ! {
    system::forbid_dumps();
    // SAFETY: it is the stack as the kernel made it, and this is its only user.
    let mut start = unsafe { Start::new(stack) };
    let Err(failure) = run(&mut start);
    failure.say();
    system::exit(failure.status())
}

/// Opens the program and becomes it.
fn run(start: &mut Start) -> Result<core::convert::Infallible, Failure> {
    let segment = start.payload().ok_or(Failure::NotPacked)?;
    let Segment { parameters, age } = Segment::parse(segment).map_err(Failure::Segment)?;
    let file = AgeFile::parse(age).map_err(Failure::Header)?;
    let limit = cgroup::check(&parameters)?;

    let file_key = open::file_key(start, &parameters, file.header(), limit)?;
    let mut program = Program::new(start.name())?;
    unpack::unpack(file.chunks(&file_key), &mut program)?;
    drop(file_key);
    system::wipe_stack();

    start.remove_variable(parameters.variable());
    Err(program.run(start))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    Failure::Defect.say();
    system::exit(Failure::Defect.status())
}
