//! Texts and files of keys, and files that are encrypted to keys.

pub(crate) mod age_file;
pub(crate) mod key_text;
pub(crate) mod openpgp;
