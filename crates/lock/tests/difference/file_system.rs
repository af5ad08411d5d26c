//! A file system as a flat list. Layers and unlocked files are laid over it.

use std::collections::{BTreeMap, BTreeSet};

use sealcrate_lock::{UNLOCK_FOLDER, Unlocked, UnlockedKind};

use crate::steps::Step;

/// The thing at the end of a path, with its content and mode. Names of the same file have one inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    File { content: Vec<u8>, mode: u32, inode: usize },
    Folder { mode: u32 },
    Symlink(String),
}

/// A file system as a flat list, over which layers are laid by the words of the specification.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Flat(pub(crate) BTreeMap<String, Thing>);

impl Flat {
    fn remove_below(&mut self, path: &str) {
        self.0.retain(|other, _| !other.starts_with(&format!("{path}/")));
    }

    /// Lays a layer over the list. Tells whether that can be done.
    pub(crate) fn apply(&mut self, steps: &[Step], next: &mut usize) -> bool {
        for step in steps {
            match step {
                Step::Opaque(path) => self.remove_below(path),
                Step::Whiteout(path) => {
                    self.0.remove(*path);
                    self.remove_below(path);
                }
                _ => {}
            }
        }
        let mut own = BTreeSet::new();
        for step in steps {
            let (path, thing) = match step {
                Step::File(path, content) => {
                    *next += 1;
                    let content = vec![*content; usize::from(*content) * 7];
                    (*path, Thing::File { content, mode: 0o640, inode: *next })
                }
                Step::Folder(path, mode) => (*path, Thing::Folder { mode: *mode }),
                Step::HardLink(path, target) => match self.0.get(*target) {
                    None | Some(Thing::Folder { .. }) => return false,
                    Some(thing) => (*path, thing.clone()),
                },
                Step::Symlink(path, target) => (*path, Thing::Symlink((*target).to_owned())),
                Step::Opaque(_) | Step::Whiteout(_) => continue,
            };
            let mut folder = String::new();
            for name in path.split('/') {
                if !folder.is_empty() {
                    let there = self.0.get(&folder);
                    if !matches!(there, Some(Thing::Folder { .. })) {
                        if there.is_some() && own.contains(&folder) {
                            return false;
                        }
                        self.0.insert(folder.clone(), Thing::Folder { mode: 0o755 });
                    }
                    folder.push('/');
                }
                folder.push_str(name);
            }
            if !matches!(thing, Thing::Folder { .. }) {
                self.remove_below(path);
            }
            self.0.insert(path.to_owned(), thing);
            own.insert(path.to_owned());
        }
        true
    }

    /// Follows every link on the way to a path but the last, as the kernel does, in a file system
    /// that has unlocked files.
    pub(crate) fn lookup(&self, path: &str, follow_ours: bool) -> Option<(String, &Thing)> {
        let mut at = String::new();
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut budget = 40;
        while let Some(name) = rest.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let here = if at.is_empty() { name } else { format!("{at}/{name}") };
            match self.0.get(&here)? {
                Thing::Symlink(target)
                    if !rest.is_empty() || (follow_ours && is_ours(target, &here)) =>
                {
                    budget -= 1;
                    if budget == 0 {
                        return None;
                    }
                    if target.starts_with('/') {
                        at.clear();
                    }
                    rest.extend(target.split('/').rev().map(str::to_owned));
                }
                Thing::Folder { .. } => at = here,
                // Nothing lies in it, and it has no folder above it.
                _ if rest.iter().any(|name| !matches!(name.as_str(), "" | ".")) => return None,
                _ => at = here,
            }
        }
        self.0.get(&at).map(|thing| (at.clone(), thing))
    }
}

/// Whether a link is one that the skeleton has made.
fn is_ours(target: &str, path: &str) -> bool {
    target == format!("{UNLOCK_FOLDER}/{path}")
}

/// Unlocks as a start does, out of the layers' tar files.
pub(crate) fn unlock(flat: &mut Flat, unlocked: &[Unlocked], tars: &[Vec<u8>], next: &mut usize) {
    let folder = UNLOCK_FOLDER.trim_start_matches('/');
    flat.0.insert("dev".to_owned(), Thing::Folder { mode: 0o755 });
    flat.0.insert(folder.to_owned(), Thing::Folder { mode: 0o755 });
    for entry in unlocked {
        let path = String::from_utf8(entry.path.as_bytes().to_vec()).unwrap();
        let place = |path: &str| format!("{folder}/{path}");
        let mode = entry.metadata.mode;
        let thing = match &entry.kind {
            UnlockedKind::Fifo => unreachable!(),
            UnlockedKind::Folder => Thing::Folder { mode },
            UnlockedKind::Symlink(target) => {
                Thing::Symlink(String::from_utf8(target.clone()).unwrap())
            }
            UnlockedKind::HardLink(target) => {
                let target = String::from_utf8(target.as_bytes().to_vec()).unwrap();
                flat.0[&place(&target)].clone()
            }
            UnlockedKind::File { layer, offset, len } => {
                *next += 1;
                let content = tars[*layer][*offset as usize..][..*len as usize].to_vec();
                Thing::File { content, mode, inode: *next }
            }
        };
        if path.is_empty() {
            continue;
        }
        let parent = place(&path);
        let parent = parent.rsplit_once('/').unwrap().0;
        assert!(matches!(flat.0.get(parent), Some(Thing::Folder { .. })), "{path}");
        assert!(flat.0.insert(place(&path), thing).is_none(), "{path} twice");
    }
}

/// Reads a tar file by another way than the code does.
pub(crate) fn steps_of(tar: &[u8]) -> Vec<(String, Thing)> {
    use std::io::Read as _;
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned();
            let mode = entry.header().mode().unwrap();
            let thing = match entry.header().entry_type() {
                tar::EntryType::Directory => Thing::Folder { mode },
                tar::EntryType::Symlink => {
                    let target = entry.link_name().unwrap().unwrap();
                    Thing::Symlink(target.to_str().unwrap().to_owned())
                }
                _ => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).unwrap();
                    Thing::File { content, mode, inode: 0 }
                }
            };
            (path, thing)
        })
        .collect()
}

/// Lays the entries of a layer over the list, as they were read out of a tar file.
pub(crate) fn apply_read(flat: &mut Flat, entries: &[(String, Thing)]) {
    for (path, thing) in entries {
        if path.is_empty() || path == "." {
            continue;
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !folder.is_empty() {
            // A folder that the layer does not name would get other properties.
            let said = |(other, thing): &(String, Thing)| {
                other == folder && matches!(thing, Thing::Folder { .. })
            };
            assert!(entries.iter().any(said), "{folder} is not in the skeleton");
        }
        if let Some(name) = name.strip_prefix(".wh.") {
            let removed = if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
            assert!(flat.0.remove(&removed).is_some(), "{removed} is removed, but not there");
            flat.remove_below(&removed);
            continue;
        }
        if !matches!(thing, Thing::Folder { .. }) {
            flat.remove_below(path);
        }
        flat.0.insert(path.clone(), thing.clone());
    }
}
