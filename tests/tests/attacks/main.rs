//! Attacks by strangers. A stranger can write to the registry, sits on the way to it, or finds files, and has no
//! key. Each test is named for a stranger's aim, which he must not reach.

#![allow(clippy::unwrap_used)]

mod answers;
mod attestations;
mod choices;
mod connections;
mod files;
mod homes;
mod indexes;
mod joined;
mod kept;
mod log;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../e2e/machine.rs"]
mod machine;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../e2e/made.rs"]
mod made;
mod members;
mod nested;
mod no_tmpfile;
mod output;
mod readers;
mod record;
mod reuse;
mod shop;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../e2e/stored.rs"]
mod stored;
mod stranger;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../faults/support.rs"]
mod support;
mod time;
mod visible;
