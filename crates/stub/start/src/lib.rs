//! The parts that the stub and the init share: the kernel starts both, and both look for a key and open a
//! payload.
//!
//! There is no operating system's library beneath this crate. Unsafe code is in `arch`, `system`,
//! `memory` and `process`; the formats are sealcrate-packfile's. The programs decide how to use the bytes of
//! the payload: [`Sink`] takes the bytes.

#![no_std]

// Linked for the functions that compilers call.
extern crate sealcrate_stub_memory as _;

mod arch;
mod content;
mod failure;
mod key;
mod memory;
mod mounts;
mod process;
pub mod system;
mod tell;

pub use content::{Decoder, Sink};
pub use failure::{Failure, Place};
pub use key::file_key;
pub use memory::{Limit, Pages, Zeros, check as check_memory, check_bytes as check_memory_for};
pub use mounts::{Mount, Mounts};
pub use process::{FilePrivilege, Start, leave_ends_to_parent, with_cleanup};
pub use tell::{Shown, Tell, end, say};
