//! Checks of the clear layers, at the paths where a start looks for the command, its loader and its
//! libraries.

use sha2::{Digest as _, Sha256};

use crate::index::IndexError;
use crate::index::path::check_path;
use crate::index::reader::{Reader, write_short};

/// A path, and the thing that the clear layers must have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check<'a> {
    /// The path below the root of the image.
    pub path: &'a [u8],
    /// The thing at the path.
    pub kind: CheckKind<'a>,
}

/// The thing at a path: a file, a folder, a link or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind<'a> {
    /// A file.
    File {
        /// The permissions, set-ID and sticky bits.
        mode: u32,
        /// The length of the content in bytes.
        len: u64,
        /// The SHA-256 of the content.
        digest: [u8; 32],
    },
    /// A folder.
    Folder,
    /// A symbolic link with its target.
    Link(&'a [u8]),
    /// Nothing.
    Nothing,
}

const NOTHING: u8 = 0;
const FILE: u8 = 1;
const FOLDER: u8 = 2;
const LINK: u8 = 3;

impl<'a> Check<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        let [code] = reader.array()?;
        let path = reader.short()?;
        check_path(path)?;
        let kind = match code {
            NOTHING => CheckKind::Nothing,
            FILE => {
                CheckKind::File { mode: reader.u32()?, len: reader.u64()?, digest: reader.array()? }
            }
            FOLDER => CheckKind::Folder,
            LINK => match reader.short()? {
                target if target.contains(&0) => return Err(IndexError("a link leads nowhere")),
                target => CheckKind::Link(target),
            },
            _ => return Err(IndexError("a check is of a kind that is not known")),
        };
        Ok(Self { path, kind })
    }

    pub(super) fn write(&self, out: &mut impl Extend<u8>) {
        let code = match self.kind {
            CheckKind::Nothing => NOTHING,
            CheckKind::File { .. } => FILE,
            CheckKind::Folder => FOLDER,
            CheckKind::Link(_) => LINK,
        };
        out.extend([code]);
        write_short(self.path, out);
        match self.kind {
            CheckKind::File { mode, len, digest } => {
                out.extend(mode.to_le_bytes());
                out.extend(len.to_le_bytes());
                out.extend(digest);
            }
            CheckKind::Link(target) => write_short(target, out),
            CheckKind::Folder | CheckKind::Nothing => {}
        }
    }
}

/// Returns the SHA-256 of a file's content, by which a check knows the file.
pub fn content_digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}
