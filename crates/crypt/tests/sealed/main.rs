//! The sealed record: whatever a stranger changes is refused or without effect, and images of version 1
//! stay readable.

#![allow(missing_docs, clippy::unwrap_used)]

mod changed;
mod documents;
mod memory;
mod version1;
