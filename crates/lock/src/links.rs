//! Where the symbolic links of an unlocked image lead, which lie in another folder than they did.

use std::collections::VecDeque;

use crate::{InodeKind, Node, Tree, TreePath};

/// How many links are followed on the way of one, as by the kernel. path_resolution(7).
const MAX_FOLLOWED: usize = 40;

/// Returns what the link at `path` has to say where it is unlocked, so that it leads to what it led
/// to in `tree`. `linked` is the outermost folder that is one link; nothing if the link itself is.
///
/// A link that stays within that folder is kept as it is. Others become absolute. What goes back out
/// of another link is resolved, since it would come out where files are unlocked.
pub(crate) fn relocated(
    tree: &Tree,
    path: &TreePath,
    target: &[u8],
    linked: Option<&TreePath>,
) -> Vec<u8> {
    let is_absolute = target.starts_with(b"/");
    if is_absolute && !goes_up(target) {
        return target.to_vec();
    }
    let mut at = if is_absolute { TreePath::default() } else { path.parent().unwrap_or_default() };
    let mut stays = !is_absolute && linked.is_some();
    let mut rest = names(target);
    let mut followed = 0;
    while let Some(name) = rest.pop_front() {
        if name == b".." {
            // The root's parent is the root.
            at = at.parent().unwrap_or_default();
        } else {
            match tree.get(&at.join(&name)) {
                Some(Node::Folder { .. }) => at = at.join(&name),
                Some(Node::Leaf { inode, .. })
                    if followed < MAX_FOLLOWED && rest.iter().any(|name| name == b"..") =>
                {
                    if let InodeKind::Symlink(other) = &inode.kind {
                        followed += 1;
                        stays = false;
                        if other.starts_with(b"/") {
                            at = TreePath::default();
                        }
                        let mut way = names(other);
                        way.append(&mut rest);
                        rest = way;
                    } else {
                        rest.push_front(name);
                        break;
                    }
                }
                // Where it goes on from here is for whoever follows it.
                _ => {
                    rest.push_front(name);
                    break;
                }
            }
        }
        stays = stays && linked.is_some_and(|linked| at.is_within(linked));
    }
    if stays {
        return target.to_vec();
    }
    let mut absolute = Vec::new();
    let way = at.names().chain(rest.iter().map(Vec::as_slice));
    way.for_each(|name| absolute.extend([b"/", name].concat()));
    if absolute.is_empty() { b"/".to_vec() } else { absolute }
}

/// Returns what a link has to say that stays where it is, so that it leads to what it led to.
pub(crate) fn in_place(tree: &Tree, path: &TreePath, target: &[u8]) -> Vec<u8> {
    let mut way = target;
    while let Some(rest) = way.strip_prefix(b"../") {
        way = rest;
    }
    if way != b".." && goes_up(way) { relocated(tree, path, target, None) } else { target.to_vec() }
}

/// Whether a path has a `..` in it.
fn goes_up(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|name| name == b"..")
}

/// Returns the names that a path is made of.
pub(crate) fn names(path: &[u8]) -> VecDeque<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.map(<[u8]>::to_vec).collect()
}
