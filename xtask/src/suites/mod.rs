//! The Docker engines and programs of other Debian releases.
//!
//! A suite is a release, unpacked into a folder of `target/engines`. Its engine runs in namespaces of its own, with the
//! folder as the root of its file system. The folder itself stays as it was made.

pub use folder::Folder;
pub use named::Set;
pub(crate) use programs::Programs;

mod folder;
mod mirror;
mod named;
mod programs;

/// The program that runs an engine, by `sh -c`.
pub(crate) const SCRIPT: &str = include_str!("engine.sh");

/// The variable that names the folder of a suite's programs.
const PROGRAMS: &str = "SEALCRATE_TEST_PROGRAMS";

/// The engines of all suites, in the order in which they are tested.
pub const ENGINES: [Engine; 4] = [
    Engine { suite: Suite::Trixie, store: Store::Overlay },
    Engine { suite: Suite::Trixie, store: Store::Containerd },
    Engine { suite: Suite::Forky, store: Store::Overlay },
    Engine { suite: Suite::Forky, store: Store::Containerd },
];

/// An engine of a suite, as its user chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The release that the engine is from.
    pub suite: Suite,
    /// The store that it has its images in.
    pub store: Store,
}

/// A release of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Debian 14, with Docker 28.5, containerd 2.1 and podman 5.
    Forky,
    /// Debian 13, with Docker 26.1, containerd 1.7 and podman 5.
    Trixie,
}

impl Suite {
    /// Finds the suite of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Forky, Self::Trixie].into_iter().find(|suite| suite.name() == name)
    }

    /// Returns the name, as mirrors have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forky => "forky",
            Self::Trixie => "trixie",
        }
    }
}

/// The part of an engine that keeps the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// containerd: the blobs as they came, and snapshots.
    Containerd,
    /// The engine itself: unpacked layers for overlay2.
    Overlay,
}

impl Store {
    /// Finds the store of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Containerd, Self::Overlay].into_iter().find(|store| store.name() == name)
    }

    /// Returns the name, as the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Overlay => "overlay",
        }
    }

    /// Returns the value of the engine's feature `containerd-snapshotter`.
    pub(crate) fn snapshotter(self) -> &'static str {
        match self {
            Self::Containerd => "true",
            Self::Overlay => "false",
        }
    }
}
