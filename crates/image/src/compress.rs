//! Compression of layers: how it is told, and gzip on all cores.
//!
//! A gzip file may be a row of members, and every reader takes it so. The compressor cuts its input
//! into pieces of 1 MiB and makes each a member of its own, on whichever core is free. The output
//! depends on the input alone, not on how many cores there were. RFC 1952, section 2.2.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use libdeflater::CompressionLvl;
use thiserror::Error;

/// How the bytes of a layer are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar.
    None,
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Tells by the first bytes.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sniff(reader: &mut dyn Read) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        reader.take(4).read_to_end(&mut head)?;
        Ok(match head[..] {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::None,
        })
    }

    /// Decompresses `reader`.
    ///
    /// # Errors
    /// A decompressor that cannot be set up.
    pub fn reader<'a>(
        self,
        reader: Box<dyn Read + Send + 'a>,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::None => reader,
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(reader)?),
        })
    }
}

/// How much input becomes one gzip member.
const PIECE: usize = 1 << 20;

/// How hard gzip tries: from 1, which is fastest, to 12, which makes the least bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionLevel(u8);

impl CompressionLevel {
    /// The fastest.
    pub const MIN: u8 = 1;
    /// The one with the least bytes.
    pub const MAX: u8 = 12;
}

impl Default for CompressionLevel {
    /// Level 1 makes a twelfth more bytes than 6 in less than half the time, which is the better
    /// choice wherever a layer travels faster than some 10 MB/s a core.
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u8> for CompressionLevel {
    type Error = CompressionLevelError;

    fn try_from(level: u8) -> Result<Self, CompressionLevelError> {
        match level {
            Self::MIN..=Self::MAX => Ok(Self(level)),
            _ => Err(CompressionLevelError(level)),
        }
    }
}

impl From<CompressionLevel> for CompressionLvl {
    fn from(level: CompressionLevel) -> Self {
        Self::new(level.0.into()).expect("libdeflate's levels are these")
    }
}

/// Why a number is no compression level.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("compression level {0} is not between 1 and 12")]
pub struct CompressionLevelError(u8);

/// How many pieces may be in memory for each core, and in all.
const PIECES_PER_CORE: usize = 2;
const MAX_PIECES: usize = 16;

/// Compresses with a fixed set of threads and a fixed amount of memory, whoever asks.
pub struct Compressor {
    jobs: Option<SyncSender<Job>>,
    pieces: Arc<Pieces>,
    workers: Vec<thread::JoinHandle<()>>,
}

struct Job {
    piece: Piece,
    result: SyncSender<io::Result<Piece>>,
}

impl Compressor {
    /// Starts `threads` threads, which compress at `level`.
    pub fn new(threads: usize, level: CompressionLevel) -> Self {
        let count = (threads.max(1) * PIECES_PER_CORE).min(MAX_PIECES);
        // As many places as pieces: sending a job never waits.
        let (jobs, queue) = sync_channel::<Job>(count);
        let queue = Arc::new(Mutex::new(queue));
        let workers = (0..threads.max(1).min(count))
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || work(&queue, level))
            })
            .collect();
        Self { jobs: Some(jobs), pieces: Arc::new(Pieces::new(count)), workers }
    }

    /// Writes `input` to `output` as gzip.
    ///
    /// # Errors
    /// Those of `input` and `output`.
    pub fn gzip(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        let jobs = self.jobs.as_ref().expect("the queue lives as long as the compressor");
        let mut pending: VecDeque<Receiver<io::Result<Piece>>> = VecDeque::new();
        let mut first = true;
        loop {
            // Whoever has pieces under way waits for those rather than for somebody else's.
            let mut piece = loop {
                let free = if pending.is_empty() {
                    Some(self.pieces.wait())
                } else {
                    self.pieces.try_take()
                };
                match free {
                    Some(buffers) => {
                        break Piece { buffers, home: self.pieces.clone() };
                    }
                    None => write_oldest(&mut pending, output)?,
                }
            };
            let bytes = &mut piece.buffers.input;
            bytes.clear();
            bytes.reserve_exact(PIECE);
            input.take(PIECE as u64).read_to_end(bytes)?;
            // An empty input is one empty member, not an empty file.
            if bytes.is_empty() && !first {
                break;
            }
            first = false;
            let (result, receiver) = sync_channel(1);
            pending.push_back(receiver);
            if jobs.send(Job { piece, result }).is_err() {
                return Err(io::Error::other("the compression threads have stopped"));
            }
        }
        while !pending.is_empty() {
            write_oldest(&mut pending, output)?;
        }
        Ok(())
    }
}

impl Compressor {
    /// Writes `input` to `output`, compressed as `compression` says; Zstandard at its usual level.
    ///
    /// # Errors
    /// Those of `input` and `output`.
    pub fn compress(
        &self,
        compression: Compression,
        input: &mut dyn Read,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        match compression {
            Compression::None => io::copy(input, output).map(|_| ()),
            Compression::Gzip => self.gzip(input, output),
            Compression::Zstd => {
                let mut encoder =
                    zstd::stream::Encoder::new(output, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                io::copy(input, &mut encoder)?;
                encoder.finish().map(|_| ())
            }
        }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A thread that panicked has been noticed by whoever waited for its result.
            let _ = worker.join();
        }
    }
}

fn write_oldest(
    pending: &mut VecDeque<Receiver<io::Result<Piece>>>,
    output: &mut dyn Write,
) -> io::Result<()> {
    let oldest = pending.pop_front().expect("only called with something pending");
    let piece =
        oldest.recv().map_err(|_| io::Error::other("a compression thread has stopped"))??;
    output.write_all(&piece.buffers.member[..piece.buffers.member_len])
}

fn work(queue: &Mutex<Receiver<Job>>, level: CompressionLevel) {
    let mut compressor = libdeflater::Compressor::new(level.into());
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut piece, result }) = job else {
            return;
        };
        let Buffers { input, member, member_len } = &mut piece.buffers;
        let bound = compressor.gzip_compress_bound(input.len());
        // It stays as long as it has been: filling it with zeros would cost as much as copying it.
        if member.len() < bound {
            member.resize(bound, 0);
        }
        let outcome = match compressor.gzip_compress(input, member) {
            Ok(len) => {
                *member_len = len;
                Ok(piece)
            }
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        // Whoever asked may have failed and gone meanwhile.
        let _ = result.send(outcome);
    }
}

/// A piece of input, and the member that it becomes.
#[derive(Default)]
struct Buffers {
    input: Vec<u8>,
    member: Vec<u8>,
    /// How much of `member` is the member; the rest is of pieces before.
    member_len: usize,
}

/// Buffers on loan, from before the input is read until the member is written; dropped, they go
/// home. Their number bounds the memory of the whole.
struct Piece {
    buffers: Buffers,
    home: Arc<Pieces>,
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffers));
    }
}

/// The buffers that are free.
struct Pieces {
    free: Mutex<Vec<Buffers>>,
    returned: Condvar,
}

impl Pieces {
    fn new(count: usize) -> Self {
        let free = (0..count).map(|_| Buffers::default()).collect();
        Self { free: Mutex::new(free), returned: Condvar::new() }
    }

    fn try_take(&self) -> Option<Buffers> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn wait(&self) -> Buffers {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(buffers) = free.pop() {
                return buffers;
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, buffers: Buffers) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
        self.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        })
        .take(len)
        .collect()
    }

    fn gzip(compressor: &Compressor, mut input: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        compressor.gzip(&mut input, &mut output).unwrap();
        output
    }

    fn gunzip(bytes: Vec<u8>) -> Vec<u8> {
        let mut output = Vec::new();
        let reader = Box::new(io::Cursor::new(bytes));
        Compression::Gzip.reader(reader).unwrap().read_to_end(&mut output).unwrap();
        output
    }

    #[test]
    fn output_is_gzip_and_does_not_depend_on_threads() {
        let (one, three) = (
            Compressor::new(1, CompressionLevel::default()),
            Compressor::new(3, CompressionLevel::default()),
        );
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7] {
            let input = noise(len);
            let packed = gzip(&one, &input);
            assert_eq!(packed, gzip(&three, &input), "{len}");
            assert_eq!(Compression::sniff(&mut &packed[..]).unwrap(), Compression::Gzip);
            assert!(gunzip(packed) == input, "{len}");
        }
    }

    #[test]
    fn many_layers_share_the_buffers_without_waiting_for_each_other() {
        let compressor = Compressor::new(1, CompressionLevel::default());
        let input = noise(3 * PIECE);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| assert!(gunzip(gzip(&compressor, &input)) == input));
            }
        });
        let free = compressor.pieces.free.lock().unwrap();
        assert_eq!(free.len(), PIECES_PER_CORE, "a buffer did not come home");
    }

    #[test]
    fn failing_input_fails_the_whole() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no more"))
            }
        }
        let compressor = Compressor::new(2, CompressionLevel::default());
        let begin = noise(PIECE);
        let mut input = begin.as_slice().chain(Failing);
        assert!(compressor.gzip(&mut input, &mut Vec::new()).is_err());
    }
}
