//! crypto-cli's image format: images by that tool, images by sealcrate, and refused images.

#![allow(missing_docs, clippy::unwrap_used)]

mod fail_closed;
mod fixtures;
mod pushed;
mod support;
mod written_bytes;
