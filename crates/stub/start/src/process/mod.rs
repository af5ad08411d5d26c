//! The process of a stub, from the kernel's first instruction to its end.

mod ending;
mod entry;
mod start;

pub(crate) use self::ending::{ENDING, clean};
pub use self::ending::{leave_ends_to_parent, with_cleanup};
pub(crate) use self::entry::entry;
pub use self::start::{FilePrivilege, Start};
