//! Locks images: the private layers become an encrypted payload, and the image opens itself when it starts.
//!
//! [`Tree`] is the file system that layers give. [`Difference`] has the entries that lie over the clear
//! layers, so that a start finds private files where the init unlocks them. [`Locker`] makes the locked
//! image, and [`LockedImage`] gives the original back. `docs/formats/locked.md` has the bytes. The init
//! does the work of a start. Nothing here prints, prompts, reads the environment, or speaks to a network.

mod class;
mod closure;
mod config;
mod difference;
mod facts;
mod folders;
mod holes;
mod index;
mod joined;
mod layer;
mod links;
mod lock;
mod neighbours;
mod opened;
mod path;
mod payload;
mod program;
mod reuse;
mod rules;
mod seal;
mod single;
mod skeleton;
mod taken;
mod tree;
mod unlock;
mod user;
mod view;

pub use class::class;
pub use config::ConfigError;
pub use difference::{Difference, DifferenceError, Problem, Unlocked, UnlockedKind};
pub use layer::{Change, Changes, LayerError};
pub use lock::{LockError, Locked, Locker, Start};
pub use path::{PathError, TreePath};
pub use reuse::{FoundBy, Opener, Reusable, ReuseError};
pub use rules::{Privileges, Rules};
pub use sealcrate_packfile::index::{Needs, UnlockOn};
pub use single::SingleLinks;
pub use skeleton::{Skeleton, SkeletonEntry, SkeletonKind, UNLOCK_FOLDER};
pub use tree::{Inode, InodeKind, Metadata, Node, Time, Tree, TreeError};
pub use unlock::{LockedImage, UnlockError, is_locked};
