//! Locked images.

pub(crate) mod locked_index;
