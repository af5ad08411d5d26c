//! The parts that the stub and the init share: the kernel starts both, and both look for a key and open a
//! payload.
//!
//! There is no operating system's library beneath this crate. Unsafe code is in `arch`, `system`, `pages`,
//! `heap`, `start`, `ending` and `entry`; the formats are sealcrate-packfile's. The programs decide how to
//! use the bytes of the payload: [`Sink`] takes the bytes.

#![no_std]

// Linked for the functions that compilers call.
extern crate sealcrate_stub_memory as _;

mod arch;
mod cgroup;
mod content;
mod ending;
mod entry;
mod failure;
mod heap;
mod key_search;
mod lz4;
mod machine;
mod mounts;
mod open;
mod pages;
mod remote;
mod source;
mod start;
pub mod system;
mod terminal;
mod zstd;

pub use cgroup::{Limit, check as check_memory, check_bytes as check_memory_for};
pub use content::{Decoder, Sink};
pub use ending::{leave_ends_to_parent, with_cleanup};
pub use entry::{Tell, end};
pub use failure::{Failure, Place, Shown, say};
pub use mounts::{Mount, Mounts};
pub use open::file_key;
pub use pages::{Pages, Zeros};
pub use start::{FilePrivilege, Start};
