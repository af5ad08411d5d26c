//! The content of the age file as decoders take it: some bytes at a time, all of them authentic.

use core::ops::Range;

use sealcrate_agefile::{CHUNK, Chunks};

use crate::failure::Failure;
use crate::memory::Pages;

/// Authenticated bytes, chunk by chunk.
pub(crate) struct Source<'a> {
    chunks: Chunks<'a>,
    chunk: Pages<u8>,
    /// The part of the chunk that was not taken.
    left: Range<usize>,
}

impl<'a> Source<'a> {
    /// Makes a source of a file's chunks.
    pub fn new(chunks: Chunks<'a>) -> Result<Self, Failure> {
        let chunk = Pages::new(CHUNK).map_err(|_| Failure::Memory("a chunk"))?;
        Ok(Self { chunks, chunk, left: 0..0 })
    }

    /// Returns the next bytes, or none at the end. The bytes stay until they are consumed.
    ///
    /// When there are none, the last chunk has been authenticated too.
    pub fn next(&mut self) -> Result<&[u8], Failure> {
        if self.left.is_empty() {
            let buffer = self.chunk.first_chunk_mut().ok_or(Failure::Defect)?;
            let content = self.chunks.next(buffer).map_err(|_| Failure::Damaged)?;
            self.left = 0..content.map_or(0, <[u8]>::len);
        }
        Ok(&self.chunk[self.left.clone()])
    }

    /// Takes `count` of the next bytes.
    pub fn consume(&mut self, count: usize) {
        self.left.start += count;
    }

    /// Fills a buffer. Fails if too few bytes are left.
    pub fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<(), Failure> {
        while !buffer.is_empty() {
            let next = self.next()?;
            if next.is_empty() {
                return Err(Failure::Content("it ends too early"));
            }
            let count = next.len().min(buffer.len());
            let (filled, rest) = buffer.split_at_mut(count);
            filled.copy_from_slice(&next[..count]);
            buffer = rest;
            self.consume(count);
        }
        Ok(())
    }

    /// Reads a number of four bytes.
    pub fn read_u32(&mut self) -> Result<u32, Failure> {
        let mut bytes = [0; 4];
        self.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}
