//! Leaks: the files, logs and registries that a stranger reads.

mod files;
mod kept;
mod log;
pub(crate) mod reuse;
mod visible;
