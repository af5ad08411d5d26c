//! The kinds of content in a payload's age file, which its first bytes tell.

/// The form of the program in the age file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The ELF file as it is.
    Elf,
    /// A folder with the program and other files.
    Folder,
    /// One LZ4 frame.
    Lz4,
    /// One zstd frame.
    Zstd,
}

impl Content {
    /// Recognizes the kind by the first four bytes. Authenticate them before.
    pub fn of(start: &[u8]) -> Option<Self> {
        match start.first_chunk()? {
            [0x7f, b'E', b'L', b'F'] => Some(Self::Elf),
            [0x7f, b'S', b'C', b'F'] => Some(Self::Folder),
            [0x04, 0x22, 0x4d, 0x18] => Some(Self::Lz4),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_four_bytes_tell_the_kind() {
        assert_eq!(Content::of(b"\x7fELF\x02"), Some(Content::Elf));
        assert_eq!(Content::of(&crate::FOLDER_MAGIC), Some(Content::Folder));
        assert_eq!(Content::of(b"\x04\x22\x4d\x18"), Some(Content::Lz4));
        assert_eq!(Content::of(b"\x28\xb5\x2f\xfd\x00"), Some(Content::Zstd));
        assert_eq!(Content::of(b"\x7fEL"), None);
        assert_eq!(Content::of(b"#!/bin/sh"), None);
    }
}
