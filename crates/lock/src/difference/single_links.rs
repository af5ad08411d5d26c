//! Single links: private files that lie in a folder of the clear layers.
//!
//! A program that edits such a file in place writes a new file and gives it the name. That replaces the
//! link, and the new file lies in the container's layer, on a disk.

use std::collections::{BTreeMap, HashSet};

use crate::{Difference, InodeKind, Node, PathRules, SkeletonKind, TreePath, UnlockedKind};

/// Private files that are single links in one clear folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleLinks {
    /// The folder.
    pub folder: TreePath,
    /// The files in it.
    pub files: Vec<TreePath>,
    /// The bytes of clear files that `--whole` would unlock with the folder; nothing if it has to stay a
    /// folder.
    pub whole_bytes: Option<u64>,
}

impl SingleLinks {
    /// Finds all single links, by their folders.
    pub(crate) fn of(difference: &Difference, rules: &PathRules) -> Vec<Self> {
        let links: HashSet<&TreePath> = difference
            .skeleton
            .0
            .iter()
            .filter(|entry| matches!(entry.kind, SkeletonKind::Link))
            .map(|entry| &entry.path)
            .collect();
        let mut folders = BTreeMap::<TreePath, Vec<TreePath>>::new();
        let is_file = |kind: &UnlockedKind| {
            matches!(kind, UnlockedKind::File { .. } | UnlockedKind::HardLink(_))
        };
        for entry in &difference.unlocked {
            if is_file(&entry.kind) && links.contains(&entry.path) {
                let folder = entry.path.parent().unwrap_or_default();
                folders.entry(folder).or_default().push(entry.path.clone());
            }
        }
        let found = folders.into_iter().map(|(folder, files)| {
            let node = difference.whole.get(&folder);
            let whole_bytes =
                (!rules.stays_folder(&folder)).then(|| node.map_or(0, bytes_in)).map(|all| {
                    let private = difference.unlocked.iter().filter(|entry| {
                        entry.path.is_within(&folder) && !entry.path.as_bytes().is_empty()
                    });
                    let private = private.map(|entry| match entry.kind {
                        UnlockedKind::File { len, .. } => len,
                        _ => 0,
                    });
                    all.saturating_sub(private.sum())
                });
            Self { folder, files, whole_bytes }
        });
        found.collect()
    }
}

/// Returns the bytes of all files in a folder.
fn bytes_in(node: &Node) -> u64 {
    match node {
        Node::Folder { children, .. } => children.values().map(bytes_in).sum(),
        Node::Leaf { inode, .. } => match inode.kind {
            InodeKind::File { len, .. } => len,
            _ => 0,
        },
    }
}
