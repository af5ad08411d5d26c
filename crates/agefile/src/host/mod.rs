//! The part for the program alone. It writes files and reads them as streams, with random bytes and a
//! heap.

mod cipher;
mod decrypt;
mod encrypt;
mod reader;
mod writer;

pub use decrypt::{DecryptError, Decryptor, decrypt};
pub use encrypt::{Encryptor, encrypt};
pub use reader::Reader;
pub use writer::Writer;
