//! Starts of locked images, and the ends that they come to.

mod confined;
mod ended;
mod limits;
mod memory;
mod owners;
mod parts;
pub(crate) mod refused;
mod terminal;
