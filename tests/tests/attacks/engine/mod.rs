//! Attacks that a test stages as root.
//!
//! These tests are of the group `engine`: `cargo xtask test` selects it, and starts and installs what they need.

mod reuse;
mod time;
