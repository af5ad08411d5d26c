//! Faults of a real engine, and pushes and pulls that need one.
//!
//! These tests are of the group `engine`: `cargo xtask test` selects it, and starts and installs what they need.

mod again;
mod engine_proxy;
mod places;
mod remembered;
mod requests;
mod secrecy;
