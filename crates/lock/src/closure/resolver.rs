//! Resolves paths in a locked image as a start sees it, where private files lie behind links.
//!
//! It follows paths as the kernel does. It notes each place on the way in a clear layer, and the thing
//! there, or that nothing is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::difference::symlink::names;
use crate::{
    Difference, Inode, InodeKind, Node, PathRules, SkeletonKind, Tree, TreePath, UNLOCK_FOLDER,
    UnlockedKind,
};

/// How many links one way may have, as for the kernel. path_resolution(7).
const MAX_FOLLOWED: usize = 40;

/// The longest path and link that are noted, in bytes.
const MAX_PATH: usize = 3840;

/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// The thing that a start has to find in the clear layers at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A file: permissions, length and SHA-256.
    File(u32, u64, [u8; 32]),
    /// A folder.
    Folder,
    /// A symbolic link, and its target.
    Link(Vec<u8>),
    /// Nothing.
    Nothing,
}

/// The thing that a path leads to.
enum Seen {
    File(Arc<Inode>),
    Folder,
    Link(Vec<u8>),
    Nothing,
}

/// A locked image in which paths are resolved.
pub(crate) struct Resolver<'a> {
    whole: &'a Tree,
    rules: &'a PathRules,
    /// The skeleton's links to the unlock folder.
    links: BTreeSet<&'a TreePath>,
    /// Links of private layers that the skeleton has.
    public: BTreeMap<&'a TreePath, &'a [u8]>,
    /// Links in the unlock folder.
    unlocked: BTreeMap<&'a TreePath, &'a [u8]>,
    noted: BTreeMap<TreePath, Expected>,
    /// The paths noted since the last mark.
    recent: Vec<TreePath>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn of(difference: &'a Difference, rules: &'a PathRules) -> Self {
        let (mut links, mut public) = (BTreeSet::new(), BTreeMap::new());
        for entry in &difference.skeleton.0 {
            match &entry.kind {
                SkeletonKind::Link => drop(links.insert(&entry.path)),
                SkeletonKind::Public(inode) => {
                    if let InodeKind::Symlink(target) = &inode.kind {
                        public.insert(&entry.path, target.as_slice());
                    }
                }
                SkeletonKind::Folder(_) | SkeletonKind::Whiteout => {}
            }
        }
        let unlocked = difference.unlocked.iter().filter_map(|entry| match &entry.kind {
            UnlockedKind::Symlink(target) => Some((&entry.path, target.as_slice())),
            _ => None,
        });
        Self {
            whole: &difference.whole,
            rules,
            links,
            public,
            unlocked: unlocked.collect(),
            noted: BTreeMap::new(),
            recent: Vec::new(),
        }
    }

    /// Returns all notes.
    pub(crate) fn into_noted(self) -> BTreeMap<TreePath, Expected> {
        self.noted
    }

    /// Returns the number of notes.
    pub(crate) fn noted_len(&self) -> usize {
        self.noted.len()
    }

    /// Sets a mark, to which [`Self::forget`] goes back.
    pub(crate) fn mark(&mut self) {
        self.recent.clear();
    }

    /// Removes the notes since the mark.
    pub(crate) fn forget(&mut self) {
        for path in self.recent.drain(..) {
            self.noted.remove(&path);
        }
    }

    /// Follows an absolute path to a file, and notes each place on the way.
    pub(crate) fn follow(&mut self, path: &[u8]) -> Option<(TreePath, Arc<Inode>)> {
        let (at, seen) = self.end_of(path)?;
        match seen {
            Seen::File(inode) => Some((at, inode)),
            _ => None,
        }
    }

    /// Follows an absolute path, notes each place on the way, and tells whether the path leads to a folder.
    pub(crate) fn leads_to_folder(&mut self, path: &[u8]) -> bool {
        matches!(self.end_of(path), Some((_, Seen::Folder)))
    }

    /// Returns the thing that an absolute path leads to, and its real path.
    fn end_of(&mut self, path: &[u8]) -> Option<(TreePath, Seen)> {
        let mut at = TreePath::default();
        let mut rest = names(path);
        let mut followed = 0;
        while let Some(name) = rest.pop_front() {
            if name == b".." {
                // The root's parent is the root.
                at = at.parent().unwrap_or_default();
                continue;
            }
            let next = at.join(&name);
            match self.look(&next) {
                Seen::Folder => at = next,
                Seen::File(inode) => return rest.is_empty().then_some((next, Seen::File(inode))),
                Seen::Link(target) => {
                    followed += 1;
                    if followed > MAX_FOLLOWED {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        at = TreePath::default();
                    }
                    let mut way = names(&target);
                    way.append(&mut rest);
                    rest = way;
                }
                Seen::Nothing => {
                    self.note_nothing(next, &rest);
                    return None;
                }
            }
        }
        Some((at, Seen::Folder))
    }

    /// Returns the entries of the folder at a path. It notes nothing and follows no links.
    pub(crate) fn folder(&self, path: &TreePath) -> Option<&'a BTreeMap<Vec<u8>, Node>> {
        match self.whole.get(path)? {
            Node::Folder { children, .. } => Some(children),
            Node::Leaf { .. } => None,
        }
    }

    /// Returns the file at a path. It notes nothing and follows no links.
    pub(crate) fn file(&self, path: &TreePath) -> Option<&'a Inode> {
        match self.whole.get(path)? {
            Node::Leaf { inode, .. } if matches!(inode.kind, InodeKind::File { .. }) => Some(inode),
            _ => None,
        }
    }

    /// Notes a file, if it lies in the clear and a start checks it. Tells whether the note is new.
    pub(crate) fn note_file(
        &mut self,
        path: &TreePath,
        (mode, len, digest): (u32, u64, [u8; 32]),
    ) -> bool {
        self.is_checked(path) && self.note(path.clone(), Expected::File(mode, len, digest))
    }

    /// Tells whether a start checks a path: it lies in the clear, and nobody may put something else there.
    pub(crate) fn is_checked(&self, path: &TreePath) -> bool {
        self.link_of(path).is_none() && !self.is_exempt(path)
    }

    fn look(&mut self, path: &TreePath) -> Seen {
        let leaf = match self.whole.get(path) {
            Some(Node::Leaf { inode, .. }) => Some(inode),
            _ => None,
        };
        if let Some(link) = self.link_of(path).cloned() {
            let target = [UNLOCK_FOLDER.as_bytes(), b"/", link.as_bytes()].concat();
            self.note(link, Expected::Link(target));
            if let Some(target) = self.unlocked.get(path) {
                return Seen::Link(target.to_vec());
            }
        }
        match leaf.map(|inode| (inode, &inode.kind)) {
            Some((inode, InodeKind::File { .. })) => Seen::File(Arc::clone(inode)),
            Some((_, InodeKind::Symlink(target))) => {
                let target = self.public.get(path).copied().unwrap_or(target).to_vec();
                if self.link_of(path).is_none() {
                    self.note(path.clone(), Expected::Link(target.clone()));
                }
                Seen::Link(target)
            }
            Some(_) => Seen::Nothing,
            None if self.whole.get(path).is_some() => {
                if self.link_of(path).is_none() {
                    self.note(path.clone(), Expected::Folder);
                }
                Seen::Folder
            }
            None => Seen::Nothing,
        }
    }

    /// Notes that nothing lies at a path, or at the rest of the way below it.
    fn note_nothing(&mut self, path: TreePath, rest: &VecDeque<Vec<u8>>) {
        if self.link_of(&path).is_some() || self.whole.get(&path).is_some() {
            return;
        }
        let goes_up = rest.iter().any(|name| name == b"..");
        let below = rest.iter().filter(|_| !goes_up);
        let path = below.fold(path, |path, name| path.join(name));
        self.note(path, Expected::Nothing);
    }

    /// Returns the skeleton's link at a path or on the way to it.
    fn link_of(&self, path: &TreePath) -> Option<&'a TreePath> {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some(link) = self.links.get(&path) {
                return Some(link);
            }
            at = path.parent();
        }
        None
    }

    /// Tells whether a path may have another thing than the locked image has there.
    fn is_exempt(&self, path: &TreePath) -> bool {
        let mut names = path.names();
        let is_of_engines = names.next().is_none_or(|name| {
            let top = TreePath::default().join(name);
            name == b".sealcrate" || self.rules.is_covered(&top)
        });
        let rules = self.rules;
        let others = [&rules.volumes, &rules.mountpoints, &rules.unchecked];
        is_of_engines || others.into_iter().flatten().any(|folder| path.is_within(folder))
    }

    fn note(&mut self, path: TreePath, noted: Expected) -> bool {
        let is_long = |name: &[u8]| name.len() > MAX_NAME || name.contains(&0);
        let cannot_be = path.as_bytes().len() > MAX_PATH
            || path.names().any(is_long)
            || matches!(&noted, Expected::Link(target) if target.len() > MAX_PATH);
        if cannot_be || self.is_exempt(&path) || self.noted.contains_key(&path) {
            return false;
        }
        self.recent.push(path.clone());
        self.noted.insert(path, noted);
        true
    }
}
