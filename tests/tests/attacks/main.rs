//! Attacks: what strangers try who can write to a registry, or stand in between, and have no key.
//!
//! Each test is named for what the stranger wants, and holds that nobody gets it.

mod answers;
#[path = "../faults/support.rs"]
#[allow(dead_code, reason = "the faults use more of it")]
mod support;
mod time;
