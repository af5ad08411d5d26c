//! crypto-cli's image format: what that tool wrote, what is written here, and what is refused.

#![allow(missing_docs, clippy::unwrap_used)]

mod fail_closed;
mod fixtures;
mod pushed;
mod support;
mod written_bytes;
