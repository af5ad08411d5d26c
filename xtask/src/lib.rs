//! The developers' tasks, and what the packages of the larger ones share.
//!
//! `cargo xtask` builds this package before it does anything, so little is in it. `xtask/demo` and
//! `xtask/bench` need more, and are built when they are asked for.

pub mod binary;
pub mod child;
pub mod engine;
mod foreign;
pub mod packages;
pub mod private_engine;
mod pyinstaller;
mod root;
pub mod stubs;
pub mod suites;
pub mod test;
