//! The age format, version 1 (<https://c2sp.org/age>), as far as packed programs use it: X25519 and
//! scrypt recipients, binary files, all of the file in memory.
//!
//! It reads and does not write. What the specification lets a reader refuse is refused here.

mod file;
mod header;
mod identity;
pub(crate) mod keys;
mod stanza;
mod stream;

pub use file::AgeFile;
pub use header::{Header, HeaderError};
pub use identity::{Identity, IdentityError};
pub use keys::{FileKey, UnwrapError};
pub use stanza::{Passphrase, Stanza};
pub use stream::{CHUNK, Chunks, StreamError};
