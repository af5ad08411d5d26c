//! The limit that a control group sets to memory: what is beyond it is killed without a word.

use sealcrate_packfile::Parameters;

use crate::failure::Failure;
use crate::system::File;

/// Where a control group's limit is, in version 2 and in version 1.
const FILES: [&[u8]; 2] =
    [b"/sys/fs/cgroup/memory.max", b"/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// What the stub takes itself and what a program needs to begin with, in MiB.
const SOME: u64 = 4;

/// The memory that may be used, in MiB, if there is a bound that can be read.
#[derive(Clone, Copy)]
pub struct Limit(Option<u64>);

impl Limit {
    /// Returns how many MiB are left for what ends before the program begins.
    pub fn room(self) -> Option<u64> {
        self.0.map(|mib| mib.saturating_sub(SOME))
    }
}

/// Reads the limit, and checks that the program fits.
pub fn check(parameters: &Parameters<'_>) -> Result<Limit, Failure> {
    let limit = FILES.iter().find_map(|file| read(file));
    let needed = u64::from(parameters.program_mib()) + SOME;
    match limit {
        Some(limit) if limit < needed => Err(Failure::MemoryLimit { limit, needed }),
        _ => Ok(Limit(limit)),
    }
}

fn read(file: &[u8]) -> Option<u64> {
    let mut text = [0; 24];
    let len = File::open(file).and_then(|file| file.descriptor().read(&mut text)).ok()?;
    // "max" is no number, and means that there is no limit.
    let number = core::str::from_utf8(text[..len].trim_ascii()).ok()?;
    Some(number.parse::<u64>().ok()? >> 20)
}
