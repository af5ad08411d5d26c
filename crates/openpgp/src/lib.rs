//! OpenPGP: private options wrapped to keys of GnuPG and similar tools, as messages. RFC 4880, RFC
//! 6637; RFC 9580 where it says the same more clearly.
//!
//! * `armor` turns text into bytes, and `packet` cuts bytes into parts.
//! * `material` has the numbers of public keys.
//! * `certificate` reads the public key to encrypt to, and `signature` verifies its signatures.
//! * `secret` reads secret keys, and `s2k` derives a key from their password.
//! * A [`message`](OpenPgp) has a `session_key` for each recipient. `cipher` encrypts the data
//!   under it, and `content` finds the private options in the data. `key_wrap` wraps session keys
//!   for curves.
//!
//! Nothing here checks who vouches for a key: the user, who names the key's file, vouches for it.

mod armor;
mod certificate;
mod cipher;
mod content;
mod key_wrap;
mod material;
mod message;
mod packet;
mod s2k;
mod secret;
mod session_key;
mod signature;

pub use certificate::OpenPgpKeyError;
pub(super) use certificate::{Certificate, KeyIds, is_public};
pub(super) use message::wrap;
pub use message::{OpenPgp, OpenPgpError};
pub(super) use secret::{SecretKey, SecretKeyError, is_secret, secret_keys};
