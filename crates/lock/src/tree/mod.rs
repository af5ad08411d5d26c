//! Trees: the file system that layers give when each lies over the layers below.

pub(crate) mod changes;
pub(crate) mod holes;
pub(crate) mod path;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::{Change, Changes, TreePath};

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

    /// Returns the node at a path, without following symbolic links.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        path.names().try_fold(&self.root, |node, name| node.children()?.get(name))
    }

    /// Lays the layer at `place` over the tree.
    ///
    /// Its whiteouts come first, since they remove entries of the layers below (OCI image specification,
    /// "Whiteouts").
    ///
    /// # Errors
    /// A hard link has no file as its target; an entry lies below another entry of the same layer that is
    /// no folder.
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
    /// Something other than a folder is there, or on the way.
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

    /// Replaces the node at a path, and makes the folders on the way to it.
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
    /// A path has to be a folder, and something else is there.
    #[error("{0} is a place to mount something, and cannot be a folder: something else is there")]
    Covered(TreePath),
    /// An entry lies below something that is no folder.
    #[error("{0} lies in what the same layer says is no folder")]
    NoFolder(TreePath),
    /// A hard link leads to no file.
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
