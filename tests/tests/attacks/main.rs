//! Attacks by strangers. A stranger can write to the registry, sits on the way to it, or finds files, and has no
//! key. Each test is named for the aim of the stranger, who must not reach it.

mod answers;
mod connections;
mod files;
mod log;
mod no_tmpfile;
mod output;
mod reuse;
mod stranger;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../faults/support.rs"]
mod support;
mod time;
