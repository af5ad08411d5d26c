//! Keys: the ones that open a packed program, the ones that it is encrypted to, and new ones.

pub(crate) mod generate;
pub(crate) mod key;
pub(crate) mod protection;
pub(crate) mod recipient;
