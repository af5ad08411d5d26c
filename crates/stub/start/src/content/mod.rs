//! Decompresses the content of an age file's chunks.

mod lz4;
mod sink;
mod source;
mod zstd;

use ruzstd::decoding::FrameDecoder;
use sealcrate_agefile::Chunks;
use sealcrate_packfile::Content;

pub use self::sink::Sink;
use self::source::Source;
use crate::failure::Failure;

/// Decompresses contents, one after the other, in memory that it keeps.
#[derive(Default)]
pub struct Decoder(FrameDecoder);

impl Decoder {
    /// Decompresses the content of chunks, and passes it to `sink`. When it returns without an error, all
    /// chunks were authentic.
    ///
    /// # Errors
    /// The payload is damaged, memory is missing, or the sink has failed.
    pub fn decode<S: Sink>(&mut self, chunks: Chunks<'_>, sink: &mut S) -> Result<(), S::Error> {
        let mut source = Source::new(chunks)?;
        match Content::of(source.next()?) {
            Some(Content::Elf | Content::Folder) => copy(&mut source, sink)?,
            Some(Content::Lz4) => lz4::decode(&mut source, sink)?,
            Some(Content::Zstd) => zstd::decode(&mut self.0, &mut source, sink)?,
            None => return Err(Failure::Content("it holds nothing that is known").into()),
        }
        match source.next()? {
            [] => Ok(()),
            _ => Err(Failure::Content("something follows its end").into()),
        }
    }
}

fn copy<S: Sink>(source: &mut Source<'_>, sink: &mut S) -> Result<(), S::Error> {
    loop {
        let next = source.next()?;
        if next.is_empty() {
            return Ok(());
        }
        sink.write(next)?;
        let count = next.len();
        source.consume(count);
    }
}
