//! The difference between the tree that the clear layers give and the tree that all layers give.
//!
//! A path is private if the clear tree lacks it or has something else there. The init unlocks it in a folder
//! of its own, under the same path, and the skeleton leads there.

mod comparison;
mod links_to_clear;
pub(crate) mod path_rules;
pub(crate) mod problem;
pub(crate) mod single_links;
pub(crate) mod skeleton;
pub(crate) mod symlink;
pub(crate) mod unlocked;

use std::collections::BTreeSet;

use crate::difference::comparison::Comparison;
use crate::{Changes, DifferenceError, PathRules, Problem, Skeleton, Tree, TreePath, Unlocked};

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

impl Difference {
    /// Compares trees. `layers` are all layers, lowest first, and `private` are the places of the private
    /// ones.
    ///
    /// # Errors
    /// The layers do not fit together; some entries cannot be locked, and the error has all of them.
    pub fn of(
        layers: &[Changes],
        private: &BTreeSet<usize>,
        rules: &PathRules,
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
        let Comparison { skeleton, mut unlocked, problems, left_out, links_to_clear, .. } =
            Comparison::of(&clear, &whole, private, rules);
        if problems.is_empty() {
            let skeleton = Skeleton(skeleton);
            let (links, crowded) = links_to_clear.into_links();
            unlocked.extend(links);
            Ok(Self { skeleton, unlocked, left_out, crowded, whole })
        } else {
            Err(DifferenceError::Problems(problems))
        }
    }
}
