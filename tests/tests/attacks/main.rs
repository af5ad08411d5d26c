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
mod members;
mod nested;
mod no_tmpfile;
mod output;
mod readers;
mod record;
mod reuse;
mod shop;
mod stranger;
mod time;
mod visible;
