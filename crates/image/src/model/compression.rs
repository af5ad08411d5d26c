//! How layers are compressed, and how a reader recognises it.

use std::io::{self, Read};

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
    /// Errors of reading.
    pub fn sniff(reader: &mut dyn Read) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        reader.take(4).read_to_end(&mut head)?;
        Ok(match head[..] {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::None,
        })
    }
}
