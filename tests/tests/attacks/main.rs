//! Attacks by strangers. A stranger can write to the registry, sits on the way to it, or finds files, and has no
//! key. Each test is named for a stranger's aim, which he must not reach.

#![allow(clippy::unwrap_used)]

mod connections;
#[cfg(feature = "engine")]
mod engine;
mod images;
mod leaks;
mod no_tmpfile;
mod shop;
mod stranger;
