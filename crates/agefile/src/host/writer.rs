//! The content of a file on its way in.

use std::io::{self, Write};
use std::vec::Vec;

use zeroize::Zeroizing;

use super::cipher::Sealer;
use crate::stream::{CHUNK, TAG};

/// Encrypts the content that you write to it. [`finish`](Self::finish) writes the end. Without the end,
/// nobody opens the file.
pub struct Writer<W> {
    output: W,
    /// `None` after an error: nobody knows then how much of a chunk is in the output.
    sealer: Option<Sealer>,
    /// The beginning of a chunk, or a whole one. It has room for the tag behind it.
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(payload_key: &[u8; 32], output: W) -> Self {
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK + TAG));
        Self { output, sealer: Some(Sealer::new(payload_key)), chunk }
    }

    /// Writes the last chunk, and returns the output.
    ///
    /// # Errors
    /// The output cannot be written, now or earlier.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        Ok(self.output)
    }

    fn write_chunk(&mut self, is_last: bool) -> io::Result<()> {
        let mut sealer = self.sealer.take().ok_or_else(broken)?;
        let tag = sealer.seal(&mut self.chunk, is_last);
        self.chunk.extend_from_slice(&tag);
        self.output.write_all(&self.chunk)?;
        self.chunk.clear();
        self.sealer = Some(sealer);
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.sealer.is_none() {
            return Err(broken());
        }
        // A whole chunk waits here until more comes: it may be the last one.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.write_chunk(false)?;
        }
        let len = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// Flushes the output. The beginning of a chunk stays here until the chunk is whole.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl<W> core::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Writer")
    }
}

fn broken() -> io::Error {
    io::Error::other("the age file could not be written before")
}
