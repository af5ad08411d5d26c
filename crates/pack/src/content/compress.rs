//! The compression of programs before their encryption, and the decompression.
//!
//! The stub decompresses the program, in memory that it has to find. So LZ4 blocks are independent of
//! each other, and zstd looks back no further than 8 MiB.

use std::io::{self, BufReader, Read, Write};

use lz4::liblz4::BlockChecksum;
use lz4::{BlockMode, BlockSize, ContentChecksum, EncoderBuilder};
use lz4_flex::frame::FrameDecoder;
use sealcrate_packfile::{Content, zstd_memory};

/// The compression of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As one LZ4 frame: starts fastest.
    #[default]
    Lz4,
    /// Not at all.
    None,
    /// As one zstd frame: takes the least room.
    Zstd,
}

impl Compression {
    /// Returns the memory that a start takes for a program of `size` bytes, in MiB, rounded up: the
    /// program, the kernel's records of its pages, and the decompressor.
    pub fn needed_mib(self, size: u64) -> u32 {
        let decoder = match self {
            // They take little memory. The check at a start allows for that.
            Self::Lz4 | Self::None => 0,
            Self::Zstd => zstd_memory(1 << ZSTD_WINDOW_LOG, Some(size)),
        };
        let bytes = size.saturating_add(size / KEPT_OF_PAGES).saturating_add(decoder);
        u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX)
    }
}

/// The number of bytes of a file in memory for which the kernel keeps one byte of records.
const KEPT_OF_PAGES: u64 = 455;

/// The level of LZ4. Programs become a fifth smaller than at the lowest level, and decompression is no
/// slower.
const LZ4_LEVEL: u32 = 9;

/// The level of zstd. Programs become a tenth larger than at the highest level, which takes more than
/// ten times as long.
const ZSTD_LEVEL: i32 = 12;

/// The number of bytes that zstd looks back: 2 to the power of it.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Compresses all of `input`, which has `len` bytes, into `output`, and returns `output`.
///
/// # Errors
/// `input` cannot be read, or has another length; `output` cannot be written.
pub(crate) fn compress<W: Write>(
    input: &mut dyn Read,
    len: u64,
    compression: Compression,
    mut output: W,
) -> io::Result<W> {
    match compression {
        Compression::Lz4 => {
            // The age file authenticates the content already: checksums would tell nothing more.
            let mut encoder = EncoderBuilder::new()
                .block_mode(BlockMode::Independent)
                .block_size(BlockSize::Max256KB)
                .block_checksum(BlockChecksum::NoBlockChecksum)
                .checksum(ContentChecksum::NoChecksum)
                .content_size(len)
                .level(LZ4_LEVEL)
                .build(output)?;
            copy_exactly(input, len, &mut encoder)?;
            let (output, finished) = encoder.finish();
            finished.map(|()| output)
        }
        Compression::None => {
            copy_exactly(input, len, &mut output)?;
            Ok(output)
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(output, ZSTD_LEVEL)?;
            encoder.window_log(ZSTD_WINDOW_LOG)?;
            encoder.set_pledged_src_size(Some(len))?;
            copy_exactly(input, len, &mut encoder)?;
            encoder.finish()
        }
    }
}

/// Copies `len` bytes, after which `input` has to end.
fn copy_exactly(input: &mut dyn Read, len: u64, output: &mut dyn Write) -> io::Result<()> {
    let copied = io::copy(&mut input.take(len), output)?;
    if copied < len || input.read(&mut [0])? > 0 {
        return Err(io::Error::other("the program changed while it was read"));
    }
    Ok(())
}

/// Decompresses all of `input` into `output`. The first bytes of `input` tell the compression.
///
/// # Errors
/// `input` cannot be read; `output` cannot be written; `InvalidData` if `input` holds no program, is cut
/// off, or goes on after its end.
pub(crate) fn decompress(input: impl Read, output: &mut dyn Write) -> io::Result<()> {
    let mut start = Vec::with_capacity(4);
    let mut input = BufReader::with_capacity(CHUNK, input);
    input.by_ref().take(4).read_to_end(&mut start)?;
    let content = Content::of(&start).ok_or_else(|| invalid("it holds no program"))?;
    let mut whole = start.as_slice().chain(&mut input);
    match content {
        Content::Elf | Content::Folder => {
            io::copy(&mut whole, output)?;
        }
        Content::Lz4 => {
            let mut watched = Watched { inner: whole, ended: false };
            copy_program(&mut FrameDecoder::new(&mut watched), output)?;
            // The decoder takes the end of the input for the end of the frame.
            if watched.ended {
                return Err(invalid("it is cut off"));
            }
        }
        Content::Zstd => {
            let mut buffered = BufReader::new(&mut whole);
            let mut decoder = zstd::Decoder::with_buffer(&mut buffered)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            copy_program(&mut decoder, output)?;
            drop(decoder);
            if !buffered.buffer().is_empty() {
                return Err(invalid("it goes on after its end"));
            }
        }
    }
    match input.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(invalid("it goes on after its end")),
    }
}

/// Notices that the end was reached.
struct Watched<R> {
    inner: R,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(to)?;
        self.ended |= len == 0 && !to.is_empty();
        Ok(len)
    }
}

/// Copies a program. It refuses content that begins otherwise, such as with a second compression.
fn copy_program(decoder: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let mut start = Vec::with_capacity(4);
    decoder.take(4).read_to_end(&mut start)?;
    if !matches!(Content::of(&start), Some(Content::Elf | Content::Folder)) {
        return Err(invalid("it holds no program"));
    }
    output.write_all(&start)?;
    io::copy(decoder, output).map(drop)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The number of bytes that are read at once.
const CHUNK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 3] = [Compression::Lz4, Compression::None, Compression::Zstd];

    fn program(len: usize) -> Vec<u8> {
        let body = (0_u32..).flat_map(|i| (i / 3).to_le_bytes());
        b"\x7fELF".iter().copied().chain(body).take(len).collect()
    }

    fn compressed(program: &[u8], compression: Compression) -> Vec<u8> {
        compress(&mut &*program, program.len() as u64, compression, Vec::new()).unwrap()
    }

    fn decompressed(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut output = Vec::new();
        decompress(bytes, &mut output).map(|()| output).map_err(|error| error.to_string())
    }

    #[test]
    fn programs_come_back_as_they_were() {
        for len in [4, 1000, 256 << 10, (256 << 10) + 1, 3_000_000] {
            let program = program(len);
            for compression in ALL {
                let bytes = compressed(&program, compression);
                assert!(decompressed(&bytes).unwrap() == program, "{len} {compression:?}");
                if len > 1000 && compression != Compression::None {
                    assert!(bytes.len() < len, "{compression:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_compressed_is_told_by_its_beginning() {
        let kinds = [Content::Lz4, Content::Elf, Content::Zstd];
        for (compression, content) in ALL.into_iter().zip(kinds) {
            assert_eq!(Content::of(&compressed(&program(100), compression)), Some(content));
        }
    }

    #[test]
    fn trailing_and_missing_bytes_are_refused() {
        for compression in [Compression::Lz4, Compression::Zstd] {
            let bytes = compressed(&program(600_000), compression);
            for more in [&b"\0"[..], &bytes, &[0; 200_000]] {
                let refused = decompressed(&[&bytes, more].concat()).unwrap_err();
                assert_eq!(refused, "it goes on after its end", "{compression:?}");
            }
            for len in [0, 3, 4, 20, bytes.len() / 2, bytes.len() - 1] {
                assert!(decompressed(&bytes[..len]).is_err(), "{compression:?} {len}");
            }
        }
    }

    #[test]
    fn only_programs_are_decompressed() {
        for compression in [Compression::Lz4, Compression::Zstd] {
            let bytes = compressed(b"#!/bin/sh\necho hello\n", compression);
            assert_eq!(decompressed(&bytes).unwrap_err(), "it holds no program");
            let nested = compressed(&compressed(&program(100), Compression::Lz4), compression);
            assert_eq!(decompressed(&nested).unwrap_err(), "it holds no program");
        }
        assert_eq!(decompressed(b"#!/bin/sh\n").unwrap_err(), "it holds no program");
    }

    #[test]
    fn a_program_that_changes_meanwhile_is_noticed() {
        let program = program(1000);
        for compression in ALL {
            for len in [999, 1001] {
                let error = compress(&mut &*program, len, compression, Vec::new()).unwrap_err();
                assert!(error.to_string().contains("changed"), "{compression:?} {len}");
            }
        }
    }
}
