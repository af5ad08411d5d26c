//! Whether a folder is memory of its own: a mount at that very place, of a whole tmpfs or ramfs.
//!
//! What lies in another mount may be the host's, and stays when the container ends. proc(5),
//! `/proc/PID/mountinfo`.

use sealcrate_stub_start::system::File;
use sealcrate_stub_start::{self as start, Pages};

use crate::failure::{Advice, Failure};

/// The longest list of mounts that is read, in bytes.
const MAX_MOUNTS: usize = 4 << 20;

/// Checks that the folder is such a mount.
#[inline(never)]
pub(crate) fn check(advice: Advice) -> Result<(), Failure> {
    let Ok(file) = File::open(b"/proc/self/mountinfo") else {
        return Err(Failure::NotOwnMemory { advice });
    };
    let mut text =
        Pages::new(MAX_MOUNTS).map_err(|_| start::Failure::Memory("the list of mounts"))?;
    let mut len = 0;
    while let Ok(count @ 1..) = file.descriptor().read(&mut text[len..]) {
        len += count;
    }
    let lines = text[..len].split(|byte| *byte == b'\n');
    // What was mounted last at a place is what is seen there.
    let seen = lines.rev().find(|line| field(line, 4) == advice.path);
    match seen.is_some_and(is_whole_memory) {
        true => Ok(()),
        false => Err(Failure::NotOwnMemory { advice }),
    }
}

/// Tells whether a line is of a whole file system that is memory.
fn is_whole_memory(line: &[u8]) -> bool {
    let separator = line.windows(3).position(|part| part == b" - ");
    let kind = separator.map_or(&b""[..], |at| field(&line[at..], 2));
    field(line, 3) == b"/" && matches!(kind, b"tmpfs" | b"ramfs")
}

fn field(line: &[u8], number: usize) -> &[u8] {
    line.split(|byte| *byte == b' ').nth(number).unwrap_or_default()
}
