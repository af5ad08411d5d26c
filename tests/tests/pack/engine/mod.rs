//! Packed programs in containers and for other machines, and limits that only root can set.
//!
//! These tests are of the group `engine`: `cargo xtask test` selects it, and starts and installs what they need.

mod confined;
mod containers;
mod ended;
mod example;
mod foreign;
mod in_folder;
mod limits;
