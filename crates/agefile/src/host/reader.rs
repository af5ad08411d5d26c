//! The content of a file on its way out.

use std::io::{self, Read};
use std::ops::Range;
use std::vec::Vec;

use zeroize::Zeroizing;

use super::cipher::Opener;
use crate::stream::{CHUNK, StreamError, TAG};

/// The length of a sealed chunk in bytes.
const SEALED: usize = CHUNK + TAG;

/// Decrypts a file's content. Each chunk is authentic, but only the end tells that the content is
/// whole.
pub struct Reader<R> {
    input: R,
    state: State,
    /// A chunk with its tag, and one byte that tells that another chunk follows.
    buffer: Zeroizing<Vec<u8>>,
    /// The part of the buffer that is open and has not been read.
    unread: Range<usize>,
}

enum State {
    /// More chunks follow.
    Open(Opener),
    /// The last chunk is open.
    Ended,
    /// A chunk was not authentic, or reading failed.
    Failed,
}

impl<R: Read> Reader<R> {
    /// Takes the beginning of the content, which is shorter than a chunk, and the rest as `input`.
    pub(super) fn new(payload_key: &[u8; 32], beginning: &[u8], input: R) -> Self {
        let mut buffer = Zeroizing::new(Vec::with_capacity(SEALED + 1));
        buffer.extend_from_slice(beginning);
        Self { input, state: State::Open(Opener::new(payload_key)), buffer, unread: 0..0 }
    }

    /// Opens the next chunk, if there is one.
    fn open_next(&mut self) -> io::Result<()> {
        // After an error there are errors alone: nobody takes one for the end.
        let mut opener = match std::mem::replace(&mut self.state, State::Failed) {
            State::Open(opener) => opener,
            State::Ended => {
                self.state = State::Ended;
                return Ok(());
            }
            State::Failed => return Err(damaged()),
        };
        let missing = SEALED + 1 - self.buffer.len();
        self.input.by_ref().take(missing as u64).read_to_end(&mut self.buffer)?;
        let is_last = self.buffer.len() <= SEALED;
        let sealed = self.buffer.len().min(SEALED);
        let len = opener.open(&mut self.buffer[..sealed], is_last).map_err(|_| damaged())?;
        self.unread = 0..len;
        self.state = if is_last { State::Ended } else { State::Open(opener) };
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() && !to.is_empty() {
            if let Some(&ahead) = self.buffer.get(SEALED) {
                self.buffer.clear();
                self.buffer.push(ahead);
            }
            self.open_next()?;
        }
        let len = to.len().min(self.unread.len());
        to[..len].copy_from_slice(&self.buffer[self.unread.start..][..len]);
        self.unread.start += len;
        Ok(len)
    }
}

impl<R> core::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Reader")
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, StreamError)
}
