//! Links from the unlock folder to the clear files that lie beside private ones.
//!
//! A program that looks for files beside itself often takes its real path, or `..` of a folder that is
//! unlocked. So each folder in the unlock folder that corresponds to a clear folder has links back to all
//! clear entries of that folder.

use std::collections::BTreeMap;

use crate::{Metadata, Node, PathRules, TreePath, Unlocked, UnlockedKind};

/// How many links back one folder has at most. Each takes some microseconds at every start.
const MAX_IN_FOLDER: usize = 1000;

/// How many links back an image has at most.
const MAX: usize = 2000;

/// The folders that correspond to clear ones, and the paths of the clear things in each.
#[derive(Default)]
pub(crate) struct LinksToClear(Vec<(TreePath, Vec<TreePath>)>);

impl LinksToClear {
    /// Adds links to the entries of a clear folder: all `children` that are not unlocked themselves.
    pub(crate) fn add(
        &mut self,
        rules: &PathRules,
        folder: &TreePath,
        children: &BTreeMap<Vec<u8>, Node>,
        is_unlocked: impl Fn(&[u8]) -> bool,
    ) {
        let names = children.keys().map(Vec::as_slice).filter(|name| !is_unlocked(name));
        let names = names.map(|name| folder.join(name));
        // Engines make these, whether the image has them or not.
        let made = rules.covered().filter(|path| {
            path.parent().as_ref() == Some(folder) && !children.contains_key(path.name())
        });
        self.0.push((folder.clone(), names.chain(made).collect()));
    }

    /// Returns the links, and the fullest folders, which have no links since they would be too many.
    pub(crate) fn into_links(self) -> (Vec<Unlocked>, Vec<TreePath>) {
        let (mut links, mut crowded) = (Vec::new(), Vec::new());
        let mut folders = self.0;
        folders.sort_by_key(|(_, paths)| paths.len());
        for (folder, paths) in folders {
            if paths.len() > MAX_IN_FOLDER || links.len() + paths.len() > MAX {
                crowded.push(folder);
                continue;
            }
            links.extend(paths.into_iter().map(link_back));
        }
        crowded.sort();
        (links, crowded)
    }
}

/// Makes a link to a path in the clear.
fn link_back(path: TreePath) -> Unlocked {
    let target = [b"/", path.as_bytes()].concat();
    let metadata = Metadata { mode: 0o777, ..Metadata::default() };
    Unlocked { path, metadata, kind: UnlockedKind::Symlink(target) }
}
