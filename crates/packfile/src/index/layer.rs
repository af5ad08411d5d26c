//! The layers of a locked image.

use sha2::{Digest as _, Sha256};

use crate::index::reader::{Reader, write_short};
use crate::index::{IndexError, Parts};
use sealcrate_agefile::Header;

/// A layer of the original image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IndexLayer<'a> {
    /// A layer that the locked image has unchanged.
    Clear {
        /// Its diff ID, a SHA-256.
        diff_id: [u8; 32],
    },
    /// A layer that the locked image has in age files.
    Private {
        /// The diff ID of the plain tar file, a SHA-256.
        diff_id: [u8; 32],
        /// `AGE-SECRET-KEY-1…`, which opens the age files of this layer and nothing else.
        identity: &'a str,
        /// The pieces of the tar file, an age file each.
        parts: Parts<'a>,
    },
}

const CLEAR: u8 = 0;
/// A private layer in one age file, as the first version has it.
const WHOLE: u8 = 1;
const PRIVATE: u8 = 2;

impl<'a> IndexLayer<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        let [kind] = reader.array()?;
        let diff_id = reader.array()?;
        match kind {
            CLEAR => Ok(Self::Clear { diff_id }),
            WHOLE => {
                let parts = Parts::read_one(reader)?;
                Ok(Self::Private { diff_id, identity: identity(reader)?, parts })
            }
            PRIVATE => {
                let identity = identity(reader)?;
                Ok(Self::Private { diff_id, identity, parts: Parts::read(reader)? })
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
            Self::Private { diff_id, identity, parts } => {
                out.extend([PRIVATE]);
                out.extend(*diff_id);
                write_short(identity.as_bytes(), out);
                parts.append(out);
            }
        }
    }
}

fn identity<'a>(reader: &mut Reader<'a>) -> Result<&'a str, IndexError> {
    core::str::from_utf8(reader.short()?).map_err(|_| IndexError("a layer's identity is no text"))
}

impl core::fmt::Debug for IndexLayer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Clear { .. } => "Clear(..)",
            Self::Private { .. } => "Private(..)",
        })
    }
}

/// Returns the SHA-256 of an age file's header, to which all of the file is bound.
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
