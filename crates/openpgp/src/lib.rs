//! OpenPGP, as far as the wrapping of keys needs it: short messages to the keys that GnuPG makes.
//!
//! OCI image encryption wraps the key of a layer in an OpenPGP message, and this crate writes and
//! reads such messages. It follows RFC 4880 and RFC 6637, and names RFC 9580 where that one says the
//! same more clearly.
//!
//! * [`Certificate`] is a public key file, with the key in it that messages are encrypted to today.
//!   [`KeyIds`] are all keys of such a file, whether they are still valid or not.
//! * [`encrypt`] makes a message to a certificate, and [`Message`] reads one that anybody made.
//! * [`SecretKeys`] are a secret key file, in clear or under a password. They open a message.
//! * [`armor`] turns the text form of a file into bytes. The readers of key files take both forms.
//!
//! ```
//! use sealcrate_openpgp::{Certificate, Message, OpenError, SecretKeys, encrypt};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let read = |name: &str| std::fs::read(format!("../crypt/tests/data/ocicrypt/keys/{name}"));
//! let alice = Certificate::parse(&read("pgp.cv25519.pub.asc")?)?;
//! let message = encrypt(b"a key", &alice)?;
//!
//! let message = Message::parse(&message)?;
//! let secret = SecretKeys::parse(&read("pgp.cv25519.sec.asc")?, None)?;
//! assert_eq!(**message.open(&secret)?, *b"a key");
//!
//! let somebody = SecretKeys::parse(&read("pgp.rsa.sec.gpg")?, None)?;
//! assert_eq!(message.open(&somebody), Err(OpenError::WrongKey));
//! # Ok(())
//! # }
//! ```
//!
//! The crate leaves out all that the wrapping of keys does not need: signed messages, messages
//! without integrity, keys of versions other than 4, and keyrings. Nothing here checks who vouches for a key:
//! the user, who names the key's file, vouches for it. Everything works in memory, within bounds, and
//! touches neither files nor the network.
//!
//! The parts below depend on each other in one direction. `packet`, `algorithms` and `curve` know the
//! bytes; `cipher` and `session_key` encrypt; `keys` reads key files; `message` puts them together.

mod algorithms;
pub mod armor;
mod cipher;
mod class;
mod curve;
mod keys;
mod message;
mod packet;
mod session_key;

pub use class::class;
pub use keys::{
    Certificate, CertificateError, KeyId, KeyIds, SecretKeyError, SecretKeys, is_public, is_secret,
};
pub use message::{Message, MessageError, OpenError, encrypt};
