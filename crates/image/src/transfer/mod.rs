//! The way of bytes: out of a source, past the checks, through files and compressors, into a sink.

pub(crate) mod background;
pub(crate) mod compression;
pub(crate) mod files;
pub(crate) mod medium;
mod opening;
pub(crate) mod pipeline;
pub(crate) mod prefetch;
pub(crate) mod progress;
mod reading;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod verify;
