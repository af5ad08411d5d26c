//! OpenPGP: private options wrapped to keys of GnuPG and its like, as messages. RFC 4880, RFC 6637; RFC 9580 where
//! it says the same more clearly.
//!
//! `packet` is how bytes are cut into parts and `armor` how they become text; `material` is what a key is made of,
//! `certificate` whose key is encrypted to, held to `signature`, and `secret` who opens, with `s2k` for its password.
//! A [`message`](OpenPgp) is a `session_key` for each recipient and what `cipher` seals under it, in which `content`
//! finds the private options; `key_wrap` is what curves need for the former.
//!
//! That anybody vouches for a key is not looked at: whoever names its file does.

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
