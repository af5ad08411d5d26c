//! The stubs that this build has: what runs first in a packed program, one for each target.
//!
//! The build script makes them and writes the list; nothing is known here of how.

use std::fmt;

/// A kind of machine that programs can be packed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Target {
    /// x86-64.
    Amd64,
    /// ARM, 64 bits, little endian.
    Arm64,
    /// ARM, 32 bits, version 7, little endian, hard float.
    Armv7,
    /// x86, 32 bits.
    I386,
}

impl Target {
    /// All targets, whether or not this build has a stub for them.
    pub const ALL: [Self; 4] = [Self::Amd64, Self::Arm64, Self::Armv7, Self::I386];

    /// Returns the name, as in the names of platforms.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Armv7 => "armv7",
            Self::I386 => "i386",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stub, a whole ELF executable with a place for the payload; or an init, which is one without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stub {
    /// The kind of machine that it runs on.
    pub target: Target,
    /// The executable file.
    pub bytes: &'static [u8],
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stub")
            .field("target", &self.target)
            .field("len", &self.bytes.len())
            .finish()
    }
}

/// Returns the stubs that this build has, in the order of their targets.
pub fn stubs() -> &'static [Stub] {
    STUBS
}

/// Returns the inits that this build has: what runs first in a locked image, in the order of their
/// targets.
pub fn inits() -> &'static [Stub] {
    INITS
}

include!(concat!(env!("OUT_DIR"), "/stubs.rs"));
