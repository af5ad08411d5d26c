//! Trees: the file system that layers give when each lies over the layers below.
//!
//! `changes` reads layers, `node` has the things in a tree, and `contents` the bytes of its files.

pub(crate) mod changes;
pub(crate) mod contents;
pub(crate) mod holes;
pub(crate) mod node;
pub(crate) mod path;

use std::collections::BTreeMap;
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::{Change, Changes, Metadata, Node, TreePath};

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

impl Classified for TreeError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Covered(_) | Self::NoFolder(_) | Self::Target(..) => Some(ErrorClass::Failure),
        }
    }
}
