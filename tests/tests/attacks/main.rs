//! Attacks by strangers. A stranger can write to the registry, or sits on the way to it, and has no key.
//! Each test is named for the aim of the stranger, who must not reach it.

mod connections;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../faults/support.rs"]
mod support;
