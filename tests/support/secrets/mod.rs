//! The secrets of the suite, and the search for them in the recorded output.

pub(crate) mod noted;
pub(crate) mod transcript;
