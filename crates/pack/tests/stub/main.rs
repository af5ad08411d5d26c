//! Starts of packed programs, with the stub of the machine that the tests run on.

#![allow(clippy::unwrap_used)]

mod content;
mod damage;
mod keys;
mod packed;
mod privileges;
mod program;
mod stubs;
mod terminal;
