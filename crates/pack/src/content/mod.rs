//! The content of a payload: a program, alone or in a folder with files beside it, and compressed.

pub(crate) mod compress;
pub(crate) mod in_folder;
pub(crate) mod program_only;
