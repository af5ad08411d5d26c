//! The part of the age format, version 1 (<https://c2sp.org/age>), that packed programs use. It has
//! X25519 and scrypt recipients, and binary files that are in memory as a whole.
//!
//! This module reads and does not write. If the specification lets a reader refuse a file, this one
//! does. It allocates nothing, and buffers come from the caller.

#![no_std]

#[cfg(test)]
extern crate std;

mod agreement;
mod file;
mod header;
mod identity;
pub mod keys;
pub mod scrypt;
mod stanza;
mod stream;

pub use agreement::Secret;
pub use file::AgeFile;
pub use header::{Header, HeaderError};
pub use identity::{Identity, IdentityError};
pub use keys::{FileKey, UnwrapError};
pub use stanza::{Passphrase, Stanza};
pub use stream::{CHUNK, Chunks, StreamError};
