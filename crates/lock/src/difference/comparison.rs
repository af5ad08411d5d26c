//! The comparison of two trees, path by path: which entries are private, and which of them stay as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::difference::links_to_clear::LinksToClear;
use crate::difference::symlink::{in_place, relocated};
use crate::{
    Inode, InodeKind, Metadata, Node, PathRules, Privileges, Problem, SkeletonEntry, SkeletonKind,
    Tree, TreePath, Unlocked, UnlockedKind,
};

/// The folder of our own files, which no original image may have.
const OURS: &[u8] = b".sealcrate";

/// The extended attribute of file capabilities. capabilities(7).
const CAPABILITIES: &[u8] = b"security.capability";

/// A comparison of two trees, with everything that was found in it.
pub(super) struct Comparison<'a> {
    private: &'a BTreeSet<usize>,
    rules: &'a PathRules,
    whole: &'a Tree,
    /// The first path in the clear of each clear file.
    aliases: HashMap<(usize, usize), TreePath>,
    /// The first name of each unlocked file.
    unlocked_inodes: HashMap<(usize, usize), TreePath>,
    /// The entries of the skeleton.
    pub(super) skeleton: Vec<SkeletonEntry>,
    /// The entries to unlock.
    pub(super) unlocked: Vec<Unlocked>,
    /// The reasons against locking the image.
    pub(super) problems: Vec<Problem>,
    /// The entries that are left out.
    pub(super) left_out: Vec<Problem>,
    /// Links to the clear files beside private ones.
    pub(super) links_to_clear: LinksToClear,
}

impl<'a> Comparison<'a> {
    /// Compares the tree that the clear layers give with the tree that all layers give. `private` are the
    /// places of the private layers.
    pub(super) fn of(
        clear: &Tree,
        whole: &'a Tree,
        private: &'a BTreeSet<usize>,
        rules: &'a PathRules,
    ) -> Self {
        let root = TreePath::default();
        let mut aliases = HashMap::new();
        collect_clear(&root, clear.root(), whole.root(), &mut aliases);
        let mut comparison = Self {
            private,
            rules,
            whole,
            aliases,
            unlocked_inodes: HashMap::new(),
            skeleton: Vec::new(),
            unlocked: Vec::new(),
            problems: Vec::new(),
            left_out: Vec::new(),
            links_to_clear: LinksToClear::default(),
        };
        comparison.check_whole();
        comparison.compare(&root, Some(clear.root()), Some(whole.root()));
        comparison
    }

    /// Finds paths of `--whole` that lead to no folder.
    fn check_whole(&mut self) {
        let is_none = |path: &&TreePath| !matches!(self.whole.get(path), Some(Node::Folder { .. }));
        let missing = self.rules.whole.iter().filter(is_none);
        self.problems.extend(missing.cloned().map(Problem::NoFolder));
    }

    /// Compares the clear tree and the whole tree at a path.
    fn compare(&mut self, path: &TreePath, clear: Option<&Node>, whole: Option<&Node>) {
        match whole {
            None => self.skeleton(path, SkeletonKind::Whiteout),
            Some(Node::Folder { metadata, children }) => match clear {
                Some(Node::Folder { .. }) if self.rules.is_whole_folder(path) => {
                    self.whole_folder(path, metadata, children);
                }
                Some(Node::Folder { metadata: was, children: clear }) => {
                    self.folder(path, metadata, children, clear, was == metadata);
                }
                _ if self.rules.keeps_folder(path) => {
                    self.folder(path, metadata, children, &BTreeMap::new(), false);
                }
                _ => match self.rules.volume_of(path) {
                    Some(volume) => {
                        self.problems.push(Problem::Volume(path.clone(), volume.clone()));
                    }
                    None if self.is_in_mountpoint(path, clear) => {}
                    None => {
                        self.skeleton(path, SkeletonKind::Link);
                        self.unlock_folder(path, path, metadata, children);
                    }
                },
            },
            Some(Node::Leaf { inode, .. }) => match clear {
                Some(Node::Leaf { inode: clear, .. }) if clear.id == inode.id => {}
                _ => self.private_leaf(path, inode, clear),
            },
        }
    }

    /// Compares the entries of a folder that stays a folder. Where one of them changes, the skeleton names the
    /// folder with its properties, since a layer without them may change them.
    fn folder(
        &mut self,
        path: &TreePath,
        metadata: &Metadata,
        whole: &BTreeMap<Vec<u8>, Node>,
        clear: &BTreeMap<Vec<u8>, Node>,
        is_as_it_was: bool,
    ) {
        let (skeleton_at, unlocked_at) = (self.skeleton.len(), self.unlocked.len());
        self.skeleton(path, SkeletonKind::Folder(metadata.clone()));
        self.unlock(path, metadata, UnlockedKind::Folder);
        let mut unlocked_names = BTreeSet::new();
        if !self.rules.is_covered(path) {
            let names: BTreeSet<_> = whole.keys().chain(clear.keys()).collect();
            for name in names {
                if path.as_bytes().is_empty() && name.as_slice() == OURS {
                    self.problems.push(Problem::Ours);
                    continue;
                }
                let unlocked_at = self.unlocked.len();
                self.compare(&path.join(name), clear.get(name), whole.get(name));
                if self.unlocked.len() > unlocked_at {
                    unlocked_names.insert(name);
                }
            }
        }
        let is_root = path.as_bytes().is_empty();
        if is_as_it_was && (is_root || self.skeleton.len() == skeleton_at + 1) {
            self.skeleton.remove(skeleton_at);
        }
        if self.unlocked.len() == unlocked_at + 1 {
            self.unlocked.truncate(unlocked_at);
        } else {
            let is_unlocked = |name: &[u8]| unlocked_names.contains(&name.to_vec());
            self.links_to_clear.add(self.rules, path, whole, is_unlocked);
        }
    }

    /// Makes a clear folder one link, and unlocks all its entries.
    fn whole_folder(
        &mut self,
        path: &TreePath,
        metadata: &Metadata,
        children: &BTreeMap<Vec<u8>, Node>,
    ) {
        if self.rules.stays_folder(path) {
            return self.problems.push(Problem::StaysFolder(path.clone()));
        }
        self.skeleton(path, SkeletonKind::Link);
        self.unlock_folder(path, path, metadata, children);
    }

    fn private_leaf(&mut self, path: &TreePath, inode: &Arc<Inode>, clear: Option<&Node>) {
        if self.rules.is_public(path) || self.rules.keeps_link(path) {
            if inode.kind == InodeKind::Device {
                return self.refuse_or_leave_out(Problem::Device(path.clone()));
            }
            let public = match &inode.kind {
                InodeKind::Symlink(target) => Arc::new(Inode {
                    id: inode.id,
                    metadata: inode.metadata.clone(),
                    kind: InodeKind::Symlink(in_place(self.whole, path, target)),
                }),
                _ => Arc::clone(inode),
            };
            return self.skeleton(path, SkeletonKind::Public(public));
        }
        if self.rules.is_of_engines(path) {
            self.problems.push(Problem::OfEngines(path.clone()));
        } else if let Some(volume) = self.rules.volume_of(path) {
            self.problems.push(Problem::Volume(path.clone(), volume.clone()));
        } else if !self.is_in_mountpoint(path, clear) && self.unlock_leaf(path, inode, None) {
            self.skeleton(path, SkeletonKind::Link);
        }
    }

    /// Tells whether something private lies in a mount point, and notes it. An engine that fills a
    /// fresh volume there would copy the link. Writes to it would be lost with the memory.
    fn is_in_mountpoint(&mut self, path: &TreePath, clear: Option<&Node>) -> bool {
        let Some(mountpoint) = self.rules.mountpoint_of(path) else { return false };
        self.refuse_or_leave_out(Problem::Mountpoint(path.clone(), mountpoint.clone()));
        if clear.is_some() {
            // The clear file does not come back.
            self.skeleton(path, SkeletonKind::Whiteout);
        }
        true
    }

    /// Unlocks a folder that is one link, and all its entries.
    fn unlock_folder(
        &mut self,
        linked: &TreePath,
        path: &TreePath,
        metadata: &Metadata,
        children: &BTreeMap<Vec<u8>, Node>,
    ) {
        self.unlock(path, metadata, UnlockedKind::Folder);
        for (name, child) in children {
            let path = path.join(name);
            match child {
                Node::Folder { metadata, children } => {
                    self.unlock_folder(linked, &path, metadata, children);
                }
                Node::Leaf { inode, .. } => {
                    self.unlock_leaf(&path, inode, Some(linked));
                }
            }
        }
    }

    /// Unlocks a file, link or pipe, and tells whether that was possible.
    fn unlock_leaf(&mut self, path: &TreePath, inode: &Inode, linked: Option<&TreePath>) -> bool {
        let metadata = &inode.metadata;
        let is_link = matches!(inode.kind, InodeKind::Symlink(_));
        let is_clear = !self.private.contains(&inode.id.0) && !self.rules.is_in_whole_folder(path);
        if !is_link && is_clear {
            // It is another name for a clear file, and can only lead there.
            let Some(alias) = self.aliases.get(&inode.id) else {
                self.problems.push(Problem::HiddenTarget(path.clone()));
                return false;
            };
            let target = [b"/", alias.as_bytes()].concat();
            self.unlock(path, metadata, UnlockedKind::Symlink(target));
            return true;
        }
        let kind = match &inode.kind {
            InodeKind::Device => {
                self.refuse_or_leave_out(Problem::Device(path.clone()));
                return false;
            }
            InodeKind::Symlink(target) => {
                UnlockedKind::Symlink(relocated(self.whole, path, target, linked))
            }
            InodeKind::Fifo => UnlockedKind::Fifo,
            InodeKind::File { offset, len } => {
                if metadata.mode & 0o4000 != 0 || metadata.mode & 0o2010 == 0o2010 {
                    self.refuse_or_leave_out(Problem::SetId(path.clone()));
                }
                if metadata.xattrs.contains_key(CAPABILITIES) {
                    self.refuse_or_leave_out(Problem::Capabilities(path.clone()));
                }
                match self.unlocked_inodes.get(&inode.id) {
                    Some(first) => UnlockedKind::HardLink(first.clone()),
                    None => {
                        self.unlocked_inodes.insert(inode.id, path.clone());
                        UnlockedKind::File { layer: inode.id.0, offset: *offset, len: *len }
                    }
                }
            }
        };
        self.unlock(path, metadata, kind);
        true
    }

    fn refuse_or_leave_out(&mut self, problem: Problem) {
        match self.rules.privileges {
            Privileges::LeaveOut => self.left_out.push(problem),
            Privileges::Refuse => self.problems.push(problem),
        }
    }

    fn skeleton(&mut self, path: &TreePath, kind: SkeletonKind) {
        self.skeleton.push(SkeletonEntry { path: path.clone(), kind });
    }

    fn unlock(&mut self, path: &TreePath, metadata: &Metadata, kind: UnlockedKind) {
        self.unlocked.push(Unlocked { path: path.clone(), metadata: metadata.clone(), kind });
    }
}

/// Finds the clear files that the whole image keeps, each with its first path in the clear.
fn collect_clear(
    path: &TreePath,
    clear: &Node,
    whole: &Node,
    aliases: &mut HashMap<(usize, usize), TreePath>,
) {
    match (clear, whole) {
        (Node::Folder { children: clear, .. }, Node::Folder { children: whole, .. }) => {
            for (name, child) in clear {
                if let Some(other) = whole.get(name) {
                    collect_clear(&path.join(name), child, other, aliases);
                }
            }
        }
        (Node::Leaf { inode: clear, .. }, Node::Leaf { inode: whole, .. })
            if clear.id == whole.id =>
        {
            aliases.entry(clear.id).or_insert_with(|| path.clone());
        }
        _ => {}
    }
}
