//! Keys that open packed programs, the passphrases and recipients that programs are encrypted to, and new
//! keys.

pub(crate) mod key;
pub(crate) mod new_keys;
pub(crate) mod openers;
pub(crate) mod recipient;
