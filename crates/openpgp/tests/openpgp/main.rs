//! Messages and keys as GnuPG makes them, and changed ones.

mod keys;
mod messages;
mod support;
