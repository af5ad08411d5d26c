//! The content of a payload: a program, alone or in a folder with files beside it, and compressed.

pub(crate) mod compress;
pub(crate) mod extractor;
pub(crate) mod in_folder;
