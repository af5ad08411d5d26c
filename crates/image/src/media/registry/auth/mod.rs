//! Authentication: what registries ask for, and the tokens that answer it.

pub mod challenge;
pub(crate) mod token;
