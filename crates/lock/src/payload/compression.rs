//! The compression of parts, which the init has to decompress with the memory that a start may take.

use std::io::{self, BufReader, Read, Write};

use sealcrate_packfile::zstd_memory;

/// The level of zstd: people download an image more often than they lock it.
const LEVEL: i32 = 6;

/// How far zstd looks back, as a power of 2. A larger window saves one byte in six hundred. It decompresses
/// slower, since it copies from further back than a processor's caches hold.
const WINDOW_LOG: u32 = 21;

/// How far a payload may look back, as a power of 2.
const MAX_WINDOW_LOG: u32 = 23;

/// Returns the memory that the init takes to decompress a part, in bytes.
pub(crate) fn decoder_memory() -> u64 {
    // This holds for layers that are used again, too: none has ever looked back further.
    zstd_memory(1 << WINDOW_LOG, None)
}

/// Compresses as the init decompresses.
pub(crate) fn compressor<W: Write>(output: W) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(output, LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.include_checksum(false)?;
    Ok(encoder)
}

/// Decompresses as the init does.
pub(crate) fn decompressor<'a, R: Read + 'a>(
    reader: R,
) -> io::Result<zstd::Decoder<'a, BufReader<R>>> {
    let mut decoder = zstd::Decoder::new(reader)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}
