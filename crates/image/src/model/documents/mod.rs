//! The documents of an image, and their parts: manifest, index, config, descriptor.

pub(crate) mod config;
pub(crate) mod descriptor;
pub(crate) mod family;
pub(crate) mod index;
pub(crate) mod manifest;
pub(crate) mod media_type;
pub(crate) mod platform;
pub(crate) mod strict;
