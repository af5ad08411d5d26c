//! The binary as its users run it, with a real engine and real registries: its work, and its
//! refusals.

#![allow(missing_docs, clippy::unwrap_used)]

#[cfg(feature = "engine")]
mod engine;
mod images;
mod keys;
mod program;
mod transfers;
