//! The sealed record: every change by a stranger is refused or has no effect, and images of version
//! 1 stay readable.

#![allow(missing_docs, clippy::unwrap_used)]

mod changed;
mod documents;
mod memory;
mod version1;
