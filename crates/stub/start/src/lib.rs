//! What stub and init share: both are started by the kernel, look for a key, and open a payload.
//!
//! There is no operating system's library beneath it. What is unsafe is in `arch`, `system`, `pages`,
//! `heap`, `start`, `ending` and `entry`; the formats are sealcrate-packfile's. What is done with the bytes of
//! the payload is the business of the programs: [`Sink`] takes them.

#![no_std]

// Linked for what compilers call.
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
