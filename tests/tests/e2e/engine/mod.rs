//! Work with a real engine, with containerd, as root, or with the stubs of all machines.
//!
//! These tests are of the group `engine`: `cargo xtask test` selects it, and starts and installs what they need.

mod builders;
mod containerd;
mod contexts;
mod fixtures;
mod indexes;
mod keyprovider_service;
mod places;
mod protection;
mod pull;
mod recipients;
mod selection;
mod to_recipients;
