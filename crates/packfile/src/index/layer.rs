//! The layers of a locked image.

use sha2::{Digest as _, Sha256};

use crate::age::Header;
use crate::index::IndexError;
use crate::index::reader::{Reader, write_short};

/// A layer of the original image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IndexLayer<'a> {
    /// It is in the locked image as it was.
    Clear {
        /// Its diff ID, a SHA-256.
        diff_id: [u8; 32],
    },
    /// It is in an age file.
    Private {
        /// The diff ID of what is in the age file, a SHA-256.
        diff_id: [u8; 32],
        /// The length of that, in bytes.
        tar_len: u64,
        /// The SHA-256 of the age file's header, to which all of the file is bound.
        header: [u8; 32],
        /// `AGE-SECRET-KEY-1…`, which opens this file and nothing else.
        identity: &'a str,
    },
}

const CLEAR: u8 = 0;
const PRIVATE: u8 = 1;

impl<'a> IndexLayer<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        let [kind] = reader.array()?;
        let diff_id = reader.array()?;
        match kind {
            CLEAR => Ok(Self::Clear { diff_id }),
            PRIVATE => {
                let tar_len = reader.u64()?;
                let header = reader.array()?;
                let identity = core::str::from_utf8(reader.short()?)
                    .map_err(|_| IndexError("a layer's identity is no text"))?;
                Ok(Self::Private { diff_id, tar_len, header, identity })
            }
            _ => Err(IndexError("a layer is of a kind that is not known")),
        }
    }

    pub(super) fn write(&self, out: &mut impl Extend<u8>) {
        match self {
            Self::Clear { diff_id } => {
                out.extend([CLEAR]);
                out.extend(*diff_id);
            }
            Self::Private { diff_id, tar_len, header, identity } => {
                out.extend([PRIVATE]);
                out.extend(*diff_id);
                out.extend(tar_len.to_le_bytes());
                out.extend(*header);
                write_short(identity.as_bytes(), out);
            }
        }
    }
}

impl core::fmt::Debug for IndexLayer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Clear { .. } => "Clear(..)",
            Self::Private { .. } => "Private(..)",
        })
    }
}

/// Returns what binds an age file: the SHA-256 of its header.
pub fn header_digest(header: &Header<'_>) -> [u8; 32] {
    Sha256::digest(header.bytes()).into()
}

/// Returns the name of the file that holds a private layer: its header's digest in hexadecimal.
pub fn payload_name(header: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = [0; 64];
    for (place, byte) in header.iter().enumerate() {
        name[2 * place] = DIGITS[usize::from(byte >> 4)];
        name[2 * place + 1] = DIGITS[usize::from(byte & 15)];
    }
    name
}
