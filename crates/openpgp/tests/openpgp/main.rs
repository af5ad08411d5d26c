//! Messages and keys as GnuPG makes them, and changed ones.

#![allow(missing_docs, clippy::unwrap_used)]

mod keys;
mod messages;
mod support;
