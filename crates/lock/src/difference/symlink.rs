//! Targets of symbolic links in a locked image. An unlocked link lies in another folder than before, and still
//! has to lead to the same place.

use std::collections::VecDeque;

use crate::{InodeKind, Node, Tree, TreePath};

/// How many links the way of one link may have, as for the kernel. path_resolution(7).
const MAX_FOLLOWED: usize = 40;

/// Returns the target for the unlocked link at `path`, so that it leads to the same place as `target` does
/// in `tree`. `linked` is the outermost folder that is one link, or nothing if the link itself is one.
///
/// A link that stays within that folder keeps its target. Other targets become absolute. A `..` behind
/// another link is resolved here, since it would otherwise lead into the unlock folder.
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
                // The kernel resolves the rest when a program follows the link.
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

/// Returns the target for a link that stays at its path, so that it leads to the same place as before.
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
