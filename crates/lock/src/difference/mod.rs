//! The difference between the tree that the clear layers give and the tree that all layers give.
//!
//! A path is private if the clear tree lacks it or has something else there. The init unlocks it in a folder
//! of its own, under the same path, and the skeleton leads there.

mod links_to_clear;
pub(crate) mod path_rules;
pub(crate) mod single_links;
pub(crate) mod skeleton;
pub(crate) mod symlink;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use thiserror::Error;

use crate::difference::links_to_clear::Neighbours;
use crate::difference::symlink::{in_place, relocated};
use crate::{
    Changes, Inode, InodeKind, Metadata, Node, Privileges, Rules, Skeleton, SkeletonEntry,
    SkeletonKind, Tree, TreeError, TreePath,
};

/// The folder of our own files, which no original image may have.
const OURS: &[u8] = b".sealcrate";

/// The extended attribute of file capabilities. capabilities(7).
const CAPABILITIES: &[u8] = b"security.capability";

/// The difference that makes the clear layers of an image the whole image.
#[derive(Debug)]
pub struct Difference {
    /// The skeleton, which lies over the clear layers.
    pub skeleton: Skeleton,
    /// The unlocked entries, each folder before its own entries.
    pub unlocked: Vec<Unlocked>,
    /// The entries that were left out, since nothing in memory can have them.
    pub left_out: Vec<Problem>,
    /// The folders in which private and clear files do not see each other, since there are too many.
    pub crowded: Vec<TreePath>,
    /// The tree that all layers give.
    pub whole: Tree,
}

/// Something that is unlocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlocked {
    /// Its path in the image, and in the unlock folder.
    pub path: TreePath,
    /// Its properties.
    pub metadata: Metadata,
    /// Its kind.
    pub kind: UnlockedKind,
}

/// The kind of an unlocked entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnlockedKind {
    /// A named pipe.
    Fifo,
    /// A file, out of the plain tar file of a layer.
    File {
        /// The layer's place.
        layer: usize,
        /// Where the content begins.
        offset: u64,
        /// How many bytes it has.
        len: u64,
    },
    /// A folder.
    Folder,
    /// Another name for a file that was unlocked before, under this path.
    HardLink(TreePath),
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
}

impl Difference {
    /// Compares trees. `layers` are all layers, lowest first, and `private` are the places of the private
    /// ones.
    ///
    /// # Errors
    /// The layers do not fit together; some entries cannot be locked, and the error has all of them.
    pub fn of(
        layers: &[Changes],
        private: &BTreeSet<usize>,
        rules: &Rules,
    ) -> Result<Self, DifferenceError> {
        let (mut clear, mut whole) = (Tree::default(), Tree::default());
        for (place, changes) in layers.iter().enumerate() {
            whole.apply(place, changes)?;
            if !private.contains(&place) {
                clear.apply(place, changes).map_err(DifferenceError::ClearLayer)?;
            }
        }
        for folder in rules.volumes.iter().chain(&rules.mountpoints) {
            whole.make_folder(folder)?;
        }
        let mut aliases = HashMap::new();
        collect_clear(&TreePath::default(), clear.root(), whole.root(), &mut aliases);
        let mut walk = Walk {
            private,
            rules,
            whole: &whole,
            aliases,
            unlocked_inodes: HashMap::new(),
            skeleton: Vec::new(),
            unlocked: Vec::new(),
            problems: Vec::new(),
            left_out: Vec::new(),
            neighbours: Neighbours::default(),
        };
        walk.check_whole();
        walk.compare(&TreePath::default(), Some(clear.root()), Some(whole.root()));
        let Walk { skeleton, mut unlocked, problems, left_out, neighbours, .. } = walk;
        if problems.is_empty() {
            let skeleton = Skeleton(skeleton);
            let (links, crowded) = neighbours.into_links();
            unlocked.extend(links);
            Ok(Self { skeleton, unlocked, left_out, crowded, whole })
        } else {
            Err(DifferenceError::Problems(problems))
        }
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

struct Walk<'a> {
    private: &'a BTreeSet<usize>,
    rules: &'a Rules,
    whole: &'a Tree,
    /// The first path in the clear of each clear file.
    aliases: HashMap<(usize, usize), TreePath>,
    /// The first name of each unlocked file.
    unlocked_inodes: HashMap<(usize, usize), TreePath>,
    skeleton: Vec<SkeletonEntry>,
    unlocked: Vec<Unlocked>,
    problems: Vec<Problem>,
    left_out: Vec<Problem>,
    neighbours: Neighbours,
}

impl Walk<'_> {
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
                Some(Node::Folder { .. }) if self.rules.takes_whole(path) => {
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
            self.neighbours.add(self.rules, path, whole, is_unlocked);
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
        let is_clear = !self.private.contains(&inode.id.0) && !self.rules.is_taken(path);
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

/// Something that cannot be locked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing in memory can have them.
    #[error("{0} has file capabilities, which have no effect in memory")]
    Capabilities(TreePath),
    /// Nothing in memory can be one.
    #[error("{0} is a device node")]
    Device(TreePath),
    /// A hard link of a private layer leads to a clear file that a later layer hides.
    #[error("{0} is a hard link to a file of a clear layer that no path leads to any more")]
    HiddenTarget(TreePath),
    /// Engines copy it to a volume.
    #[error("{0} is private, but lies in {1}, where something will be mounted")]
    Mountpoint(TreePath, TreePath),
    /// The user wants it unlocked whole, and there is no such folder.
    #[error("there is no folder {0}")]
    NoFolder(TreePath),
    /// Engines read or write it.
    #[error("{0} is private, but read or written by engines")]
    OfEngines(TreePath),
    /// The image has a folder that only locked images have.
    #[error("the image has a /.sealcrate: it is locked already")]
    Ours,
    /// Nothing in memory can have it.
    #[error("{0} is set-user-ID or set-group-ID, which has no effect in memory")]
    SetId(TreePath),
    /// The user wants it unlocked whole, and it has to stay a folder.
    #[error("{0} cannot be unlocked whole: something is mounted there or in it")]
    StaysFolder(TreePath),
    /// Engines copy the files there.
    #[error("{0} is private, but lies in the volume {1}")]
    Volume(TreePath, TreePath),
}

/// Why an image cannot be locked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// The clear layers cannot stand alone.
    #[error("a clear layer needs a private one: {0}")]
    ClearLayer(#[source] TreeError),
    /// Some paths cannot be locked.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    /// The layers do not fit together.
    #[error("{0}")]
    Tree(#[from] TreeError),
}

/// How many problems the error shows.
const SHOWN: usize = 10;

fn list(problems: &[Problem]) -> String {
    let mut shown: Vec<_> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        shown.push(format!("and {} more", problems.len() - SHOWN));
    }
    shown.join("; ")
}
