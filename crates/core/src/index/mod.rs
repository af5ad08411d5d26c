//! Indexes: their children in clear, opened, and sealed together.

pub(crate) mod children;
pub(crate) mod chosen;
pub(crate) mod opened;
pub(crate) mod sealed;

/// The treatment of attestations beside the images of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attestations {
    /// They are left out.
    Drop,
    /// They come along in clear.
    Keep,
}

/// Why attestations are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyDropped {
    /// The caller did not ask for them.
    NotAsked,
    /// They tell of the build in clear, and the caller did not ask for them.
    TellOfBuild,
    /// They tell of the build in clear, and the operation never keeps them.
    NeverKept,
}
