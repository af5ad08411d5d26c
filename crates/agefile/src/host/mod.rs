//! The part for the program alone. It writes files and reads them as streams, with random bytes and a
//! heap.

mod decrypt;
mod encrypt;
mod random;
mod reader;
mod recipient;
mod writer;

pub use decrypt::{DecryptError, Decryptor, decrypt};
pub use encrypt::{EncryptError, Encryptor, encrypt};
pub use random::NoRandomness;
pub(crate) use random::fill;
pub use reader::Reader;
pub use recipient::{NewStanza, Recipient};
pub use writer::Writer;
