//! Images: documents, archives, layouts, names, labels, and the challenges of registries.

pub(crate) mod archives;
pub(crate) mod challenge;
pub(crate) mod config;
pub(crate) mod label;
pub(crate) mod layout;
pub(crate) mod manifest;
pub(crate) mod names;
pub(crate) mod reading;
