//! The memory of a stub: pages that are wiped, a heap, and the memory that the process may still take.

mod cgroup;
mod heap;
mod machine;
mod pages;

pub use self::cgroup::{Limit, check, check_bytes};
pub(crate) use self::machine::free_memory;
pub use self::pages::{Pages, Zeros};
