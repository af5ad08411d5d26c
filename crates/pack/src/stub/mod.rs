//! The stubs of this build, at most one for each target. A stub runs first in a packed program.
//!
//! The build script makes or takes the stubs, and writes the list. This module does not know how.

pub(crate) mod frame;
pub(crate) mod origin;

use std::fmt;

use sealcrate_targets::{TARGETS, Target};

/// A stub or an init: a whole ELF executable. A stub has a place for the payload, an init has none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stub {
    /// The kind of machine that it runs on.
    pub target: &'static Target,
    /// The executable file.
    pub bytes: &'static [u8],
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stub")
            .field("target", &self.target.name)
            .field("len", &self.bytes.len())
            .finish()
    }
}

/// Returns the stubs that this build has, in the order of their targets.
pub fn stubs() -> &'static [Stub] {
    STUBS
}

/// Returns the inits that this build has, in the order of their targets. An init runs first in a
/// locked image.
pub fn inits() -> &'static [Stub] {
    INITS
}

/// Returns the targets that this build has no stub and no init for.
pub fn missing_targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().filter(|target| STUBS.iter().all(|stub| stub.target != *target))
}

include!(concat!(env!("OUT_DIR"), "/stubs.rs"));
