//! Programs in locked images.

pub(crate) mod applications;
pub(crate) mod base;
mod in_place;
mod languages;
mod neighbours;
mod servers;
