//! The index of a locked image, which its init reads once it has the key.
//!
//! An index is the content of an age file, so all of it is authentic. It has these parts:
//!
//! * the original command and the original config;
//! * the layers in their order, with the keys of the private ones;
//! * the entries to unlock, with the places of their contents;
//! * the checks of the clear layers.
//!
//! `docs/formats/locked.md` has the bytes.

mod checks;
mod command;
mod entry;
mod error;
mod layer;
mod needs;
mod parts;
mod path;
mod reader;

pub use checks::{Check, CheckKind, content_digest};
pub use command::{Command, List};
pub use entry::{Attributes, Entry, EntryKind, Properties};
pub use error::IndexError;
pub use layer::{IndexLayer, header_digest, payload_name};
pub use needs::{Needs, PAGE};
pub use parts::{Part, Parts};

use self::entry::Order;
use self::reader::Reader;

/// The first bytes of every index.
const MAGIC: [u8; 8] = *b"sealidx2";

/// The first bytes of an index of the first version. It has each private layer in one age file, and no
/// checks.
const FIRST_MAGIC: [u8; 8] = *b"sealidx1";

/// The length of the head in bytes: the magic, and the length of the whole index.
pub const INDEX_HEAD: usize = 16;

/// The longest index that is read, in bytes.
pub const MAX_INDEX: u64 = 512 << 20;

/// The flag of [`UnlockOn::AnyFileSystem`].
const ANY_FILE_SYSTEM: u32 = 1;

/// The places in which private files may be unlocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlockOn {
    /// On any file system that the unlock folder is on.
    AnyFileSystem,
    /// In memory alone.
    #[default]
    Memory,
}

/// A parsed index.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    /// The places in which private files may be unlocked.
    pub unlock_on: UnlockOn,
    /// The original command.
    pub command: Command<'a>,
    /// The command in its encoded form.
    pub encoded_command: &'a [u8],
    /// The original config.
    pub config: &'a [u8],
    /// The number of bytes of unlocked files that are pages of zeros, which take no room. The last page
    /// of a file does not count.
    pub holes: u64,
    layers: Reader<'a>,
    layer_count: u32,
    entries: Reader<'a>,
    entry_count: u32,
    checks: Reader<'a>,
    check_count: u32,
}

impl<'a> Index<'a> {
    /// Returns the length in bytes of the index that begins with this head.
    ///
    /// # Errors
    /// No index begins so, or its length is out of bounds: the head's and [`MAX_INDEX`].
    pub fn len_of(head: &[u8; INDEX_HEAD]) -> Result<u64, IndexError> {
        let (magic, len) = head.split_at(MAGIC.len());
        let len = u64::from_le_bytes(len.try_into().map_err(|_| IndexError("its head"))?);
        if magic != MAGIC && magic != FIRST_MAGIC {
            return Err(IndexError("it does not begin like one"));
        }
        if !(INDEX_HEAD as u64..=MAX_INDEX).contains(&len) {
            return Err(IndexError("it is too long"));
        }
        Ok(len)
    }

    /// Parses an index, and checks every part: no path leads out of the unlock folder, folders come
    /// first, and contents follow each other.
    ///
    /// # Errors
    /// The bytes are no index. The error says which rule they break.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let head = bytes.first_chunk().ok_or(IndexError("it is too short"))?;
        if Self::len_of(head)? != bytes.len() as u64 {
            return Err(IndexError("it has another length than it says"));
        }
        let mut reader = Reader::new(&bytes[INDEX_HEAD..]);
        let flags = reader.u32()?;
        if flags & !ANY_FILE_SYSTEM != 0 {
            return Err(IndexError("it has a flag that is not known"));
        }
        let unlock_on = match flags {
            0 => UnlockOn::Memory,
            _ => UnlockOn::AnyFileSystem,
        };
        let whole = reader.rest();
        let command = Command::read(&mut reader)?;
        let encoded_command = &whole[..whole.len() - reader.rest().len()];
        let config = reader.bytes()?;
        let layer_count = reader.u32()?;
        let layers = reader;
        for _ in 0..layer_count {
            IndexLayer::read(&mut reader)?;
        }
        let entry_count = reader.u32()?;
        let entries = reader;
        let mut order = Order::default();
        for _ in 0..entry_count {
            let entry = Entry::read(&mut reader)?;
            order.check(&entry, layer_count)?;
        }
        let is_first = head.starts_with(&FIRST_MAGIC);
        let check_count = if is_first { 0 } else { reader.u32()? };
        let checks = reader;
        for _ in 0..check_count {
            Check::read(&mut reader)?;
        }
        let holes = if is_first { 0 } else { reader.u64()? };
        reader.end()?;
        Ok(Self {
            unlock_on,
            command,
            encoded_command,
            config,
            holes,
            layers,
            layer_count,
            entries,
            entry_count,
            checks,
            check_count,
        })
    }

    /// Returns the layers of the original image, lowest first.
    pub fn layers(&self) -> impl Iterator<Item = IndexLayer<'a>> + Clone + use<'a> {
        let mut reader = self.layers;
        (0..self.layer_count).map_while(move |_| IndexLayer::read(&mut reader).ok())
    }

    /// Returns the entries to unlock, in this order: folders, each before its own subfolders; files, in
    /// the order of their contents; named pipes; symbolic links; hard links.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + Clone + use<'a> {
        let mut reader = self.entries;
        (0..self.entry_count).map_while(move |_| Entry::read(&mut reader).ok())
    }

    /// Returns the checks that the clear layers have to pass before the init runs the command.
    pub fn checks(&self) -> impl Iterator<Item = Check<'a>> + Clone + use<'a> {
        let mut reader = self.checks;
        (0..self.check_count).map_while(move |_| Check::read(&mut reader).ok())
    }
}

/// Returns the head of an index whose parts have the length `len`.
pub fn index_head(len: u64) -> [u8; INDEX_HEAD] {
    let mut head = [0; INDEX_HEAD];
    head[..MAGIC.len()].copy_from_slice(&MAGIC);
    head[MAGIC.len()..].copy_from_slice(&(INDEX_HEAD as u64 + len).to_le_bytes());
    head
}

/// Appends the parts of an index, which follow its head. [`write_holes`] appends the last one.
pub fn write_index<'a>(
    unlock_on: UnlockOn,
    command: &Command<'_>,
    config: &[u8],
    layers: impl ExactSizeIterator<Item = IndexLayer<'a>>,
    entries: impl ExactSizeIterator<Item = Entry<'a>>,
    checks: impl ExactSizeIterator<Item = Check<'a>>,
    out: &mut impl Extend<u8>,
) {
    let flags = match unlock_on {
        UnlockOn::AnyFileSystem => ANY_FILE_SYSTEM,
        UnlockOn::Memory => 0,
    };
    out.extend(flags.to_le_bytes());
    command.write(out);
    reader::write_bytes(config, out);
    out.extend((layers.len() as u32).to_le_bytes());
    layers.for_each(|layer| layer.write(out));
    out.extend((entries.len() as u32).to_le_bytes());
    entries.for_each(|entry| entry.write(out));
    out.extend((checks.len() as u32).to_le_bytes());
    checks.for_each(|check| check.write(out));
}

/// Appends the last part of an index: the number of bytes that are pages of zeros.
pub fn write_holes(holes: u64, out: &mut impl Extend<u8>) {
    out.extend(holes.to_le_bytes());
}

#[cfg(test)]
mod tests;
