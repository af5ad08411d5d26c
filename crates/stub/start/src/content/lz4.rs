//! LZ4 frames (the LZ4 frame format, 1.6.4) of independent blocks.
//!
//! The decoder skips the checksums in a frame: all bytes are authenticated before.

use crate::content::Sink;
use crate::content::source::Source;
use crate::failure::Failure;
use crate::memory::Pages;

/// The bit of a block's size that marks a block without compression.
const STORED: u32 = 1 << 31;

/// The flags in the first byte of a frame's descriptor.
struct Flags(u8);

impl Flags {
    const CONTENT_CHECKSUM: u8 = 1 << 2;
    const CONTENT_SIZE: u8 = 1 << 3;
    const BLOCK_CHECKSUM: u8 = 1 << 4;
    const INDEPENDENT: u8 = 1 << 5;

    fn has(&self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// Tells whether the version is 1, the blocks are independent, and there is no dictionary.
    fn is_known(&self) -> bool {
        self.0 & 0b1110_0011 == 1 << 6 | Self::INDEPENDENT
    }
}

/// Decodes one frame.
pub(crate) fn decode<S: Sink>(source: &mut Source<'_>, sink: &mut S) -> Result<(), S::Error> {
    source.read_u32()?; // The magic number has been seen.
    let mut descriptor = [0; 2];
    source.read_exact(&mut descriptor)?;
    let flags = Flags(descriptor[0]);
    let max_block = match descriptor[1] {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        0x70 => 4 << 20,
        _ => return Err(unknown().into()),
    };
    if !flags.is_known() {
        return Err(unknown().into());
    }
    let rest = if flags.has(Flags::CONTENT_SIZE) { 8 + 1 } else { 1 };
    source.read_exact(&mut [0; 9][..rest])?;

    let room = || Pages::<u8>::new(max_block).map_err(|_| Failure::Memory("a block"));
    let (mut packed, mut block) = (room()?, room()?);
    loop {
        let size = source.read_u32()?;
        if size == 0 {
            break;
        }
        let len = (size & !STORED) as usize;
        let packed = packed.get_mut(..len).ok_or_else(damaged)?;
        source.read_exact(packed)?;
        if size & STORED == 0 {
            let len =
                lz4_flex::block::decompress_into(packed, &mut block).map_err(|_| damaged())?;
            sink.write(&block[..len])?;
        } else {
            sink.write(packed)?;
        }
        if flags.has(Flags::BLOCK_CHECKSUM) {
            source.read_u32()?;
        }
    }
    if flags.has(Flags::CONTENT_CHECKSUM) {
        source.read_u32()?;
    }
    Ok(())
}

fn unknown() -> Failure {
    Failure::Content("its compression is of a kind that is not known")
}

fn damaged() -> Failure {
    Failure::Content("it cannot be decompressed")
}
