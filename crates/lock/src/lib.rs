//! Locks images: the private layers become an encrypted payload, and the image opens itself when it starts.
//!
//! `tree` has the file system that layers give, [`Tree`]. `difference` finds the entries that lie over the
//! clear layers, so that a start finds private files where the init unlocks them: [`Difference`]. `closure`
//! finds the clear files that a start checks. `payload` holds the encrypted private layers, and `config` the
//! two halves of a config. In `unlock`, [`LockedImage`] gives the original image back. In `lock`, [`Locker`]
//! makes the locked image. Each of these folders imports from those before it alone.
//!
//! `docs/formats/locked.md` has the bytes. The init does the work of a start. Nothing here prints, prompts,
//! reads the environment, or speaks to a network.

mod class;
mod closure;
mod config;
mod difference;
mod lock;
mod payload;
mod tree;
mod unlock;

pub use class::class;
pub use config::error::ConfigError;
pub use difference::Difference;
pub use difference::path_rules::{PathRules, Privileges};
pub use difference::problem::{DifferenceError, Problem};
pub use difference::single_links::SingleLinks;
pub use difference::skeleton::{Skeleton, SkeletonEntry, SkeletonKind, UNLOCK_FOLDER};
pub use difference::unlocked::{Unlocked, UnlockedKind};
pub use lock::error::LockError;
pub use lock::reuse::{FoundBy, Opener, Reusable, ReuseError};
pub use lock::{Locked, Locker, Start};
pub use sealcrate_packfile::index::{Needs, UnlockOn};
pub use tree::changes::{Change, Changes, LayerError};
pub use tree::node::{Inode, InodeKind, Metadata, Node, Time};
pub use tree::path::{PathError, TreePath};
pub use tree::{Tree, TreeError};
pub use unlock::error::UnlockError;
pub use unlock::{LockedImage, is_locked};
