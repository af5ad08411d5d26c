//! The things in a tree: folders, files, links, pipes and devices, with their properties.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The properties of an entry of a file system, beside its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The permissions, set-ID and sticky bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The time of the last change of the content.
    pub modified: Time,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A point in time, since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds.
    pub seconds: i64,
    /// The nanoseconds beyond the whole seconds.
    pub nanoseconds: u32,
}

impl Time {
    /// Parses a decimal number of seconds, as PAX records have it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let nanoseconds: u32 = digits.parse().ok()?;
        match (whole.starts_with('-'), nanoseconds) {
            (true, 1..) => {
                Some(Self { seconds: seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds })
            }
            _ => Some(Self { seconds, nanoseconds }),
        }
    }
}

/// Writes the time as PAX records have it.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.seconds, self.nanoseconds) {
            (seconds, 0) => write!(f, "{seconds}"),
            (seconds, nanoseconds) if seconds >= 0 => write!(f, "{seconds}.{nanoseconds:09}"),
            (-1, nanoseconds) => write!(f, "-0.{:09}", 1_000_000_000 - nanoseconds),
            (seconds, nanoseconds) => {
                write!(f, "{}.{:09}", seconds + 1, 1_000_000_000 - nanoseconds)
            }
        }
    }
}

/// A file, link, pipe or device, which can have several names.
#[derive(Debug, PartialEq, Eq)]
pub struct Inode {
    /// The place of the layer that made it, and the number of its entry there.
    pub id: (usize, usize),
    /// Its properties.
    pub metadata: Metadata,
    /// Its kind.
    pub kind: InodeKind,
}

/// The kind of an inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InodeKind {
    /// A device node.
    Device,
    /// A named pipe.
    Fifo,
    /// A file.
    File {
        /// The offset of its content in the layer's plain tar file.
        offset: u64,
        /// The length of its content, in bytes.
        len: u64,
    },
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
}

/// The thing at a path of a tree.
#[derive(Clone, Debug)]
pub enum Node {
    /// A folder.
    Folder {
        /// The properties that the last layer gave it.
        metadata: Metadata,
        /// Its entries, by name.
        children: BTreeMap<Vec<u8>, Self>,
    },
    /// A name of an inode.
    Leaf {
        /// The place of the layer that gave it this name.
        layer: usize,
        /// The inode.
        inode: Arc<Inode>,
    },
}

impl Node {
    /// Makes a folder that no layer names, but that has entries.
    pub(super) fn implied() -> Self {
        let metadata = Metadata { mode: 0o755, ..Metadata::default() };
        Self::Folder { metadata, children: BTreeMap::new() }
    }

    pub(super) fn children(&self) -> Option<&BTreeMap<Vec<u8>, Self>> {
        match self {
            Self::Folder { children, .. } => Some(children),
            Self::Leaf { .. } => None,
        }
    }

    pub(super) fn children_mut(&mut self) -> Option<&mut BTreeMap<Vec<u8>, Self>> {
        match self {
            Self::Folder { children, .. } => Some(children),
            Self::Leaf { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_fractions() {
        let time = |text| Time::parse(text).map(|time| (time.seconds, time.nanoseconds));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("12.5"), Some((12, 500_000_000)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("1.123456789123"), Some((1, 123_456_789)));
        assert_eq!(time("x"), None);
        for text in ["12", "12.500000000", "-1.250000000", "-0.000000001", "-3"] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
    }
}
