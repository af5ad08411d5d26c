//! What a stranger finds: in files, in logs, and beside an image.

mod files;
mod kept;
mod log;
pub(crate) mod reuse;
mod visible;
