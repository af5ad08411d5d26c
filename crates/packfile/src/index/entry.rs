//! The entries of a locked image: files, folders, links and named pipes that a start unlocks.

use crate::index::IndexError;
use crate::index::path::{MAX_NAME, check_path};
use crate::index::reader::{Reader, write_bytes, write_short};

/// An entry, which a start unlocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The path below the unlock folder, which itself is the empty path.
    pub path: &'a [u8],
    /// The properties.
    pub properties: Properties<'a>,
    /// The kind, with the place of the content or the target.
    pub kind: EntryKind<'a>,
}

/// The properties of an entry beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties<'a> {
    /// The permissions, set-ID and sticky bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The time of the last change: seconds since 1970.
    pub seconds: i64,
    /// The nanoseconds of that time, beyond the seconds.
    pub nanoseconds: u32,
    /// The extended attributes.
    pub attributes: Attributes<'a>,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind<'a> {
    /// A named pipe.
    Fifo,
    /// A file. Its content is a range of bytes in the tar file of a private layer.
    File {
        /// The layer's number, from 0.
        layer: u32,
        /// The offset of the content in the tar file.
        offset: u64,
        /// The length of the content in bytes.
        len: u64,
    },
    /// A folder.
    Folder,
    /// Another name for the file at a path.
    HardLink(&'a [u8]),
    /// A symbolic link with its target.
    Symlink(&'a [u8]),
}

const FOLDER: u8 = 0;
const FILE: u8 = 1;
const FIFO: u8 = 2;
const SYMLINK: u8 = 3;
const HARD_LINK: u8 = 4;

impl EntryKind<'_> {
    fn code(&self) -> u8 {
        match self {
            Self::Folder => FOLDER,
            Self::File { .. } => FILE,
            Self::Fifo => FIFO,
            Self::Symlink(_) => SYMLINK,
            Self::HardLink(_) => HARD_LINK,
        }
    }
}

impl<'a> Entry<'a> {
    // Many places call this. An inlined copy at each would make the init larger, and with it every
    // locked image.
    #[inline(never)]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        let [code] = reader.array()?;
        let path = reader.short()?;
        let properties = Properties {
            mode: reader.u32()?,
            uid: reader.u32()?,
            gid: reader.u32()?,
            seconds: reader.u64()? as i64,
            nanoseconds: reader.u32()?,
            attributes: Attributes::read(reader)?,
        };
        let kind = match code {
            FOLDER => EntryKind::Folder,
            FILE => {
                EntryKind::File { layer: reader.u32()?, offset: reader.u64()?, len: reader.u64()? }
            }
            FIFO => EntryKind::Fifo,
            SYMLINK => EntryKind::Symlink(reader.short()?),
            HARD_LINK => EntryKind::HardLink(reader.short()?),
            _ => return Err(IndexError("an entry is of a kind that is not known")),
        };
        Ok(Self { path, properties, kind })
    }

    pub(super) fn write(&self, out: &mut impl Extend<u8>) {
        out.extend([self.kind.code()]);
        write_short(self.path, out);
        let properties = &self.properties;
        for number in [properties.mode, properties.uid, properties.gid] {
            out.extend(number.to_le_bytes());
        }
        out.extend(properties.seconds.to_le_bytes());
        out.extend(properties.nanoseconds.to_le_bytes());
        Attributes::write(properties.attributes.iter(), out);
        match self.kind {
            EntryKind::File { layer, offset, len } => {
                out.extend(layer.to_le_bytes());
                out.extend(offset.to_le_bytes());
                out.extend(len.to_le_bytes());
            }
            EntryKind::HardLink(target) | EntryKind::Symlink(target) => write_short(target, out),
            EntryKind::Fifo | EntryKind::Folder => {}
        }
    }
}

/// Extended attributes: names and values.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    count: u16,
    items: Reader<'a>,
}

impl<'a> Attributes<'a> {
    /// No attributes.
    pub const NONE: Self = Self { count: 0, items: Reader::new(&[]) };

    /// Parses the attributes that [`Self::write`] wrote.
    ///
    /// # Errors
    /// The bytes are no attributes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let mut reader = Reader::new(bytes);
        let attributes = Self::read(&mut reader)?;
        reader.end()?;
        Ok(attributes)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        let count = reader.u16()?;
        let whole = reader.rest();
        for _ in 0..count {
            let name = reader.short()?;
            if name.is_empty() || name.len() > MAX_NAME || name.contains(&0) {
                return Err(IndexError("an attribute has no proper name"));
            }
            reader.bytes()?;
        }
        let items = Reader::new(&whole[..whole.len() - reader.rest().len()]);
        Ok(Self { count, items })
    }

    /// Returns names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let mut reader = self.items;
        (0..self.count).map_while(move |_| Some((reader.short().ok()?, reader.bytes().ok()?)))
    }

    /// Appends encoded attributes.
    pub fn write<'i>(
        items: impl Iterator<Item = (&'i [u8], &'i [u8])> + Clone,
        out: &mut impl Extend<u8>,
    ) {
        out.extend((items.clone().count() as u16).to_le_bytes());
        for (name, value) in items {
            write_short(name, out);
            write_bytes(value, out);
        }
    }
}

impl PartialEq for Attributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.items.rest() == other.items.rest()
    }
}

impl Eq for Attributes<'_> {}

/// Checks the rules that hold between entries: their order, and the order of their contents.
#[derive(Default)]
pub(super) struct Order {
    code: u8,
    layer: u32,
    end: u64,
}

impl Order {
    /// Checks the next entry.
    pub(super) fn check(&mut self, entry: &Entry<'_>, layers: u32) -> Result<(), IndexError> {
        let code = entry.kind.code();
        if code < self.code {
            return Err(IndexError("its entries are in another order"));
        }
        self.code = code;
        let is_root = entry.path.is_empty() && code == FOLDER;
        if !is_root {
            check_path(entry.path)?;
        }
        match entry.kind {
            EntryKind::File { layer, offset, len } => {
                if layer > self.layer {
                    (self.layer, self.end) = (layer, 0);
                }
                if layer < self.layer || layer >= layers || offset < self.end {
                    return Err(IndexError("contents are in another order"));
                }
                self.end = offset.checked_add(len).ok_or(IndexError("a file has no end"))?;
                Ok(())
            }
            EntryKind::HardLink(target) => check_path(target),
            EntryKind::Symlink(target) if target.is_empty() || target.contains(&0) => {
                Err(IndexError("a link leads nowhere"))
            }
            _ => Ok(()),
        }
    }
}
