//! Attacks of strangers, who can write to the registry or sit between and have no key: what each of them
//! wants, and that he does not get it.

mod connections;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../faults/support.rs"]
mod support;
