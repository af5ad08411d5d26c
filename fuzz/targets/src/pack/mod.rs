//! Packed programs: their parts, and the lines that they exchange with a reader who has the key.

pub(crate) mod folder_head;
pub(crate) mod payload;
pub(crate) mod program;
pub(crate) mod remote;
