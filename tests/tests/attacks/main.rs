//! Attacks: each test is named for the wish of a stranger, and holds that it does not come true.
//!
//! A stranger can write to a registry, sits on the way to it, or finds files. He has no key.

mod files;
mod no_tmpfile;
mod reuse;
#[allow(dead_code, reason = "it is shared with the faults, which use all of it")]
#[path = "../faults/support.rs"]
mod support;
