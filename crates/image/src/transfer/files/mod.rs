//! Files: those that bytes wait in, those that get their name last, and the room that both take.

pub(crate) mod incoming;
pub(crate) mod leftovers;
pub(crate) mod room;
pub(crate) mod spool;
pub(crate) mod temporary;
