//! Zstandard frames (RFC 8878).

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::{Error, ErrorKind, Read, Write};

use crate::content::Sink;
use crate::content::source::Source;
use crate::failure::Failure;

/// The number of bytes that are decoded before they are written.
const PIECE: usize = 256 << 10;

/// Decodes one frame.
pub(crate) fn decode<S: Sink>(
    decoder: &mut FrameDecoder,
    source: &mut Source<'_>,
    sink: &mut S,
) -> Result<(), S::Error> {
    let mut reader = Reader { source, failure: None };
    let begun = decoder.init(&mut reader);
    begun.map_err(|error| reader.failure(&error))?;
    loop {
        let decoded = decoder.decode_blocks(&mut reader, BlockDecodingStrategy::UptoBytes(PIECE));
        decoded.map_err(|error| reader.failure(&error))?;
        let mut writer = Writer { sink, failure: None };
        let written = decoder.collect_to_writer(&mut writer);
        written.map_err(|_| writer.failure.unwrap_or_else(|| damaged().into()))?;
        if decoder.is_finished() {
            return Ok(());
        }
    }
}

/// The source as the decoder reads it. It keeps its failure, since the decoder can tell only that something
/// went wrong.
struct Reader<'r, 'a> {
    source: &'r mut Source<'a>,
    failure: Option<Failure>,
}

impl Reader<'_, '_> {
    /// Returns the failure of the source, or damage if the source has not failed.
    fn failure(&mut self, _error: &FrameDecoderError) -> Failure {
        self.failure.take().unwrap_or_else(damaged)
    }
}

impl Read for Reader<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        match self.source.next() {
            Ok(next) => {
                let count = next.len().min(buffer.len());
                buffer[..count].copy_from_slice(&next[..count]);
                self.source.consume(count);
                Ok(count)
            }
            Err(failure) => {
                self.failure = Some(failure);
                Err(Error::from(ErrorKind::Other))
            }
        }
    }
}

/// The sink as the decoder writes to it, straight from the decoder's window.
struct Writer<'s, S: Sink> {
    sink: &'s mut S,
    failure: Option<S::Error>,
}

impl<S: Sink> Write for Writer<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        match self.sink.write(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                self.failure = Some(failure);
                Err(Error::from(ErrorKind::Other))
            }
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

fn damaged() -> Failure {
    Failure::Content("it cannot be decompressed")
}
