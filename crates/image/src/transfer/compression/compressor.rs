//! Compression of layers on all cores.
//!
//! A gzip file may be a row of members, and a Zstandard file a row of frames, and every reader accepts
//! such rows. The compressor cuts its input into pieces of 1 MiB. It makes each a member or frame of its
//! own, on any core that is free. The output depends on the input alone, not on how many cores there
//! were. RFC 1952, section 2.2; RFC 8878, section 3.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::{Compression, CompressionLevel};

/// How much input becomes one member or frame.
const PIECE: usize = 1 << 20;

/// How many pieces may be in memory for each core, and in all.
const PIECES_PER_CORE: usize = 2;
const MAX_PIECES: usize = 16;

/// Compresses with a fixed set of threads and a fixed amount of memory, for any number of callers.
pub struct Compressor {
    jobs: Option<SyncSender<Job>>,
    pieces: Arc<Pieces>,
    workers: Vec<thread::JoinHandle<()>>,
}

struct Job {
    piece: Piece,
    codec: Codec,
    result: SyncSender<io::Result<Piece>>,
}

/// A compressor, and the compression that the caller wants of it.
#[derive(Clone, Copy)]
pub struct Packing<'c> {
    /// The compressor.
    pub compressor: &'c Compressor,
    /// The compression of its output.
    pub compression: Compression,
}

impl<'c> Packing<'c> {
    /// Asks `compressor` for gzip.
    pub fn gzip(compressor: &'c Compressor) -> Self {
        Self { compressor, compression: Compression::Gzip }
    }

    /// Writes `input`, compressed, to `output`.
    ///
    /// # Errors
    /// Errors of `input` and `output`.
    pub fn pack(self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        self.compressor.compress(self.compression, input, output)
    }
}

/// The format that a piece is compressed into.
#[derive(Clone, Copy)]
enum Codec {
    Gzip,
    Zstd,
}

impl Compressor {
    /// Starts `threads` threads; `level` is how hard gzip tries.
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
    /// Errors of `input` and `output`.
    pub fn gzip(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        self.in_pieces(Codec::Gzip, input, output)
    }

    /// Writes `input` to `output`, compressed as `compression` says; Zstandard at its usual level.
    ///
    /// # Errors
    /// Errors of `input` and `output`.
    pub fn compress(
        &self,
        compression: Compression,
        input: &mut dyn Read,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        match compression {
            Compression::None => io::copy(input, output).map(|_| ()),
            Compression::Gzip => self.in_pieces(Codec::Gzip, input, output),
            Compression::Zstd => self.in_pieces(Codec::Zstd, input, output),
        }
    }

    fn in_pieces(
        &self,
        codec: Codec,
        input: &mut dyn Read,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        let jobs = self.jobs.as_ref().expect("the queue lives as long as the compressor");
        let mut pending: VecDeque<Receiver<io::Result<Piece>>> = VecDeque::new();
        let mut first = true;
        loop {
            // A caller with pieces under way waits for those rather than for another caller's.
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
            // An empty input is one empty member or frame, not an empty file.
            if bytes.is_empty() && !first {
                break;
            }
            first = false;
            let (result, receiver) = sync_channel(1);
            pending.push_back(receiver);
            if jobs.send(Job { piece, codec, result }).is_err() {
                return Err(io::Error::other("the compression threads have stopped"));
            }
        }
        while !pending.is_empty() {
            write_oldest(&mut pending, output)?;
        }
        Ok(())
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // If a thread panicked, the caller that waited for its result has noticed.
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
    let mut codecs = Codecs::new(level);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut piece, codec, result }) = job else {
            return;
        };
        let outcome = codecs.compress(codec, &mut piece.buffers).map(|()| piece);
        // The caller may have failed and gone meanwhile.
        let _ = result.send(outcome);
    }
}

/// The compressors of one thread.
struct Codecs {
    gzip: libdeflater::Compressor,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Codecs {
    fn new(level: CompressionLevel) -> Self {
        Self { gzip: libdeflater::Compressor::new(level.into()), zstd: None }
    }

    fn compress(&mut self, codec: Codec, buffers: &mut Buffers) -> io::Result<()> {
        let Buffers { input, member, member_len } = buffers;
        let bound = match codec {
            Codec::Gzip => self.gzip.gzip_compress_bound(input.len()),
            Codec::Zstd => zstd::zstd_safe::compress_bound(input.len()),
        };
        // The buffer is never shortened: filling it with zeros again would cost as much as copying it.
        if member.len() < bound {
            member.resize(bound, 0);
        }
        *member_len = match codec {
            Codec::Gzip => {
                let compressed = self.gzip.gzip_compress(input, member);
                compressed.map_err(|error| io::Error::other(error.to_string()))?
            }
            Codec::Zstd => self.zstd()?.compress_to_buffer(input, &mut member[..])?,
        };
        Ok(())
    }

    /// Returns the Zstandard compressor. It takes its memory at its first use.
    fn zstd(&mut self) -> io::Result<&mut zstd::bulk::Compressor<'static>> {
        if self.zstd.is_none() {
            let mut zstd = zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?;
            zstd.include_checksum(true)?;
            self.zstd = Some(zstd);
        }
        Ok(self.zstd.as_mut().expect("it was just made"))
    }
}

/// A piece of input, and the member or frame that it becomes.
#[derive(Default)]
struct Buffers {
    input: Vec<u8>,
    member: Vec<u8>,
    /// How many bytes of `member` are the member; the rest is left from earlier pieces.
    member_len: usize,
}

/// Buffers on loan, from before the input is read until the member is written. Dropped, they go home.
/// Their number bounds the memory of all callers together.
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

    fn compressed(compressor: &Compressor, compression: Compression, mut input: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        compressor.compress(compression, &mut input, &mut output).unwrap();
        output
    }

    fn decompressed(compression: Compression, bytes: Vec<u8>) -> Vec<u8> {
        let mut output = Vec::new();
        let reader = Box::new(io::Cursor::new(bytes));
        compression
            .reader(reader, crate::Expansion::default())
            .unwrap()
            .read_to_end(&mut output)
            .unwrap();
        output
    }

    #[test]
    fn output_is_what_was_asked_for_and_does_not_depend_on_threads() {
        let (one, three) = (
            Compressor::new(1, CompressionLevel::default()),
            Compressor::new(3, CompressionLevel::default()),
        );
        for compression in [Compression::Gzip, Compression::Zstd] {
            for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7] {
                let input = noise(len);
                let packed = compressed(&one, compression, &input);
                assert_eq!(packed, compressed(&three, compression, &input), "{len}");
                assert_eq!(Compression::sniff(&mut &packed[..]).unwrap(), compression);
                assert!(decompressed(compression, packed) == input, "{compression:?} {len}");
            }
        }
    }

    #[test]
    fn many_layers_share_the_buffers_without_waiting_for_each_other() {
        let compressor = Compressor::new(1, CompressionLevel::default());
        let input = noise(3 * PIECE);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let packed = compressed(&compressor, Compression::Gzip, &input);
                    assert!(decompressed(Compression::Gzip, packed) == input);
                });
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
