//! Decompression of layers, bounded.

use std::io::{self, Read};

use super::expanded::{Expanded, Packed};
use crate::{Compression, Expansion};

impl Compression {
    /// Decompresses `reader`. The returned reader fails where its bytes are more than `expansion`
    /// allows.
    ///
    /// # Errors
    /// A decompressor that cannot be set up.
    pub fn reader<'a>(
        self,
        reader: Box<dyn Read + Send + 'a>,
        expansion: Expansion,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        let packed = Packed::default();
        let counted = packed.reader(reader);
        let unpacked: Box<dyn Read + Send + 'a> = match self {
            Self::None => return Ok(counted.into_inner()),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(counted)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(counted)?),
        };
        Ok(Box::new(Expanded::new(unpacked, expansion, packed)))
    }
}
