//! Memory as tests limit it and as they use it for files.

pub(crate) mod folder;
pub(crate) mod steps;
