//! Locks images: what is private of one is put aside, so that the image opens itself when it starts.
//!
//! [`Tree`] is the file system that layers give, and [`Difference`] what has to be laid over the
//! clear layers so that private files are found where they will be unlocked. Nothing here prints,
//! prompts, reads the environment, or speaks to a network.

mod difference;
mod layer;
mod links;
mod path;
mod rules;
mod skeleton;
mod tree;

pub use difference::{Difference, DifferenceError, Problem, Unlocked, UnlockedKind};
pub use layer::{Change, Changes, LayerError};
pub use path::{PathError, TreePath};
pub use rules::{Privileges, Rules};
pub use skeleton::{Skeleton, SkeletonEntry, SkeletonKind, UNLOCK_FOLDER};
pub use tree::{Inode, InodeKind, Metadata, Node, Time, Tree, TreeError};
