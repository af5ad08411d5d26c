//! Where images are read from and written to.

mod no_engine;
mod places;
pub(crate) mod pull;
mod registries;
