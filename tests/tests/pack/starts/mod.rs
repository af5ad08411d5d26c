//! Starts of packed programs: how they find the key, where they run, and the ends that they come to.

pub(crate) mod confined;
pub(crate) mod ended;
pub(crate) mod in_folder;
mod start;
mod terminal;
