//! Trees: the file system that layers give, one laid over the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::{Change, Changes, TreePath};

/// What something in a file system has beside its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The permissions, set-ID and sticky bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content was changed last.
    pub modified: Time,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A point in time, since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds.
    pub seconds: i64,
    /// What is beyond them.
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

/// Something that is no folder, however many names it has.
#[derive(Debug, PartialEq, Eq)]
pub struct Inode {
    /// The place of the layer that made it, and the number of its entry there.
    pub id: (usize, usize),
    /// Its properties.
    pub metadata: Metadata,
    /// What it is.
    pub kind: InodeKind,
}

/// What something is that is no folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InodeKind {
    /// A device node.
    Device,
    /// A named pipe.
    Fifo,
    /// A file.
    File {
        /// Where in the layer's plain tar file its content begins.
        offset: u64,
        /// How many bytes that is.
        len: u64,
    },
    /// A symbolic link, and where it leads.
    Symlink(Vec<u8>),
}

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Node {
    /// A folder.
    Folder {
        /// The properties that the last layer gave it.
        metadata: Metadata,
        /// What lies in it.
        children: BTreeMap<Vec<u8>, Self>,
    },
    /// Something else.
    Leaf {
        /// The place of the layer that gave it this name.
        layer: usize,
        /// What it is.
        inode: Arc<Inode>,
    },
}

impl Node {
    /// A folder that no layer says anything of, but that something lies in.
    fn implied() -> Self {
        let metadata = Metadata { mode: 0o755, ..Metadata::default() };
        Self::Folder { metadata, children: BTreeMap::new() }
    }

    fn children(&self) -> Option<&BTreeMap<Vec<u8>, Self>> {
        match self {
            Self::Folder { children, .. } => Some(children),
            Self::Leaf { .. } => None,
        }
    }

    fn children_mut(&mut self) -> Option<&mut BTreeMap<Vec<u8>, Self>> {
        match self {
            Self::Folder { children, .. } => Some(children),
            Self::Leaf { .. } => None,
        }
    }
}

/// A whole file system.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Node,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: Node::implied() }
    }
}

impl Tree {
    /// Returns the root folder.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Returns what a path leads to. Symbolic links are not followed.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        path.names().try_fold(&self.root, |node, name| node.children()?.get(name))
    }

    /// Lays the layer at `place` over the tree.
    ///
    /// What it removes is removed first, since that is about the layers below (OCI image
    /// specification, "Whiteouts").
    ///
    /// # Errors
    /// A hard link to what is not there; something below what the layer itself makes no folder.
    pub fn apply(&mut self, place: usize, changes: &Changes) -> Result<(), TreeError> {
        for change in &changes.0 {
            match change {
                Change::Opaque(folder) => {
                    if let Some(children) = self.get_mut(folder).and_then(Node::children_mut) {
                        children.clear();
                    }
                }
                Change::Whiteout(path) => self.remove(path),
                Change::Folder(..) | Change::HardLink(..) | Change::Put(..) => {}
            }
        }
        for change in &changes.0 {
            match change {
                Change::Folder(path, metadata) => self.put_folder(place, path, metadata)?,
                Change::HardLink(path, target) => {
                    let inode = match self.get(target) {
                        Some(Node::Leaf { inode, .. }) => Arc::clone(inode),
                        _ => return Err(TreeError::Target(path.clone(), target.clone())),
                    };
                    self.put(place, path, Node::Leaf { layer: place, inode })?;
                }
                Change::Put(path, inode) => {
                    let inode = Arc::clone(inode);
                    self.put(place, path, Node::Leaf { layer: place, inode })?;
                }
                Change::Opaque(_) | Change::Whiteout(_) => {}
            }
        }
        Ok(())
    }

    /// Makes a folder where there is nothing.
    ///
    /// # Errors
    /// There is something else.
    pub fn make_folder(&mut self, path: &TreePath) -> Result<(), TreeError> {
        let mut at = &mut self.root;
        for name in path.names() {
            let children = at.children_mut().ok_or_else(|| TreeError::Covered(path.clone()))?;
            at = children.entry(name.to_vec()).or_insert_with(Node::implied);
        }
        at.children_mut().map(drop).ok_or_else(|| TreeError::Covered(path.clone()))
    }

    fn get_mut(&mut self, path: &TreePath) -> Option<&mut Node> {
        path.names().try_fold(&mut self.root, |node, name| node.children_mut()?.get_mut(name))
    }

    fn remove(&mut self, path: &TreePath) {
        let folder = path.parent().and_then(|folder| self.get_mut(&folder));
        if let Some(children) = folder.and_then(Node::children_mut) {
            children.remove(path.name());
        }
    }

    fn put_folder(
        &mut self,
        place: usize,
        path: &TreePath,
        metadata: &Metadata,
    ) -> Result<(), TreeError> {
        if let Some(Node::Folder { metadata: known, .. }) = self.get_mut(path) {
            known.clone_from(metadata);
            return Ok(());
        }
        let children = BTreeMap::new();
        self.put(place, path, Node::Folder { metadata: metadata.clone(), children })
    }

    /// Puts something in the place of what is there, and makes folders on the way to it.
    fn put(&mut self, place: usize, path: &TreePath, new: Node) -> Result<(), TreeError> {
        let mut at = &mut self.root;
        for name in path.parent().unwrap_or_default().names() {
            let children = at.children_mut().expect("it has been made a folder");
            at = children.entry(name.to_vec()).or_insert_with(Node::implied);
            match at {
                Node::Leaf { layer, .. } if *layer == place => {
                    return Err(TreeError::NoFolder(path.clone()));
                }
                Node::Leaf { .. } => *at = Node::implied(),
                Node::Folder { .. } => {}
            }
        }
        match at.children_mut() {
            Some(children) if *path != TreePath::default() => {
                children.insert(path.name().to_vec(), new);
                Ok(())
            }
            _ => Err(TreeError::NoFolder(path.clone())),
        }
    }
}

/// Why a layer cannot be laid over others.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// Something is no folder that has to be one.
    #[error("{0} is a place to mount something, and cannot be a folder: something else is there")]
    Covered(TreePath),
    /// Something lies where there is no folder.
    #[error("{0} lies in what the same layer says is no folder")]
    NoFolder(TreePath),
    /// There is no such file.
    #[error("{0} is a hard link to {1}, where there is no file")]
    Target(TreePath, TreePath),
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
