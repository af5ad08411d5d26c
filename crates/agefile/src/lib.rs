//! Age files, version 1 (<https://c2sp.org/age>): a reader that needs no operating system, and a
//! writer.
//!
//! Packed programs and locked images start from age files, so the reader has to run in their stubs:
//! it has no `std`, allocates nothing, and takes buffers and random bytes from the caller. The
//! feature `host` adds all that only the program needs: it writes files, reads them as streams,
//! makes keys, and allocates.
//!
//! A file has one stanza for each recipient. A kind of stanzas is one file in the module `kinds`: its
//! [`Identity`] unwraps a file key from a stanza, and its [`Recipient`] wraps one into a stanza. The
//! kinds are X25519 and passphrases. Stanzas of other kinds are passed over. Files are binary; armor
//! is not read.
//!
//! If the specification lets a reader refuse a file, this one does.

#![no_std]

#[cfg(any(feature = "host", test))]
extern crate std;

mod agreement;
mod class;
mod file;
mod file_key;
mod header;
#[cfg(feature = "host")]
mod host;
mod identity;
mod kinds;
#[cfg(feature = "host")]
mod random;
#[cfg(feature = "host")]
mod recipient;
pub mod scrypt;
mod stanza;
mod stream;

pub use agreement::X25519Key;
pub use class::class;
pub use file::AgeFile;
pub use file_key::{FileKey, UnwrapError, WRAPPED, derive};
pub use header::Header;
#[cfg(feature = "host")]
pub use host::{DecryptError, Decryptor, Encryptor, Reader, Writer, decrypt, encrypt};
pub use identity::Identity;
pub use kinds::{passphrase, x25519};
#[cfg(feature = "host")]
pub use random::NoRandomness;
#[cfg(feature = "host")]
pub use recipient::{EncryptError, NewStanza, Recipient};
pub use stanza::{HeaderError, Stanza};
pub use stream::{CHUNK, Chunks, StreamError};
