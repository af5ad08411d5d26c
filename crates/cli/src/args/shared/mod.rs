//! Options that several commands share.

pub(super) mod common;
pub(super) mod identity;
pub(super) mod recipient;
pub(super) mod registry;
