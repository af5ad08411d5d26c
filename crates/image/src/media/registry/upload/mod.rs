//! Blobs on their way into a registry: whole, while they are still made, or out of another repository.

pub(crate) mod body;
pub(crate) mod monolithic;
pub(crate) mod mount;
pub(crate) mod streamed;
