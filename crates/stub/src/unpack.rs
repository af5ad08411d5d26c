//! From the chunks of the payload to the program.

use sealcrate_packfile::Content;
use sealcrate_packfile::age::Chunks;

use crate::failure::Failure;
use crate::program::Program;
use crate::source::Source;
use crate::{lz4, zstd};

/// Writes the program that the chunks hold. When it returns, all of them were authentic.
pub(crate) fn unpack(chunks: Chunks<'_>, program: &mut Program) -> Result<(), Failure> {
    let mut source = Source::new(chunks)?;
    match Content::of(source.next()?) {
        Some(Content::Elf) => copy(&mut source, program)?,
        Some(Content::Lz4) => lz4::decode(&mut source, program)?,
        Some(Content::Zstd) => zstd::decode(&mut source, program)?,
        None => return Err(Failure::Content("it holds no program")),
    }
    match source.next()? {
        [] => Ok(()),
        _ => Err(Failure::Content("something follows the program")),
    }
}

fn copy(source: &mut Source<'_>, program: &mut Program) -> Result<(), Failure> {
    loop {
        let next = source.next()?;
        if next.is_empty() {
            return Ok(());
        }
        program.write(next)?;
        let count = next.len();
        source.consume(count);
    }
}
