//! Attacks on the way to a registry, and by a registry.

mod answers;
mod credentials;
mod time;
