//! The tasks that tools do with an image.

/// The task of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Out of the engine into an empty registry.
    Push,
    /// The same name again, with another top layer.
    PushChanged,
    /// And once more, with nothing changed.
    PushUnchanged,
    /// Out of an OCI layout with gzipped layers into an empty registry.
    PushGzipped,
    /// Out of an OCI layout with layers that are not compressed into an empty registry.
    PushUncompressed,
    /// A pull into an empty engine, decrypted.
    Pull,
    /// Into a new OCI layout, decrypted.
    PullToLayout,
}

impl Case {
    /// Returns what tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Push => "push from the engine",
            Self::PushChanged => "push again, top layer changed",
            Self::PushUnchanged => "push again, nothing changed",
            Self::PushGzipped => "gzipped OCI layout to registry",
            Self::PushUncompressed => "uncompressed OCI layout to registry",
            Self::Pull => "pull into the engine",
            Self::PullToLayout => "registry to OCI layout",
        }
    }

    /// Tells whether it needs a tool that reads and writes OCI layouts.
    pub(super) fn needs_layouts(self) -> bool {
        matches!(self, Self::PushGzipped | Self::PushUncompressed | Self::PullToLayout)
    }
}
