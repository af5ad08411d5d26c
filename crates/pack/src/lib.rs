//! The host side of packed programs: what they are made of.

mod stubs;

pub use stubs::{Stub, Target, stubs};
