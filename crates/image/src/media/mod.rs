//! The places where images live: one folder a medium, with its source and its sink.

pub mod archive;
#[cfg(feature = "engine")]
pub mod engine;
pub mod layout;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(any(feature = "engine", feature = "registry"))]
pub(crate) mod runtime;
