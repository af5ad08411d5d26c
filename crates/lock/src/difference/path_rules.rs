//! Rules about paths: which of them stay where they are, whatever the layers have there.
//!
//! Some are fixed, since engines need or cover these paths. The user and the image name others.

use crate::TreePath;

/// Folders that engines mount over, write to, or need before a start unlocks anything. They stay as they
/// are.
const FIXED: [&str; 9] =
    ["dev", "etc", "proc", "run", "run/secrets", "sys", "tmp", "var", "var/run"];

/// The fixed folders that engines mount over in every container. No program sees the image's files there.
const COVERED: [&str; 3] = ["dev", "proc", "sys"];

/// Files that engines read, or mount their own files over, before a start unlocks anything.
const OF_ENGINES: [&str; 5] =
    ["etc/group", "etc/hostname", "etc/hosts", "etc/passwd", "etc/resolv.conf"];

/// How to treat things that do not work in memory, or beneath a mount: devices, set-ID bits,
/// capabilities, private files in mount points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privileges {
    /// They are left out.
    LeaveOut,
    /// They are problems.
    #[default]
    Refuse,
}

/// The user's choices for an image, and the image's volumes.
#[derive(Clone, Debug, Default)]
pub struct PathRules {
    /// The paths of the image's volumes.
    pub volumes: Vec<TreePath>,
    /// The paths where somebody will mount something else.
    pub mountpoints: Vec<TreePath>,
    /// Paths of the private layers that everybody may see.
    pub public: Vec<TreePath>,
    /// Clear files and folders that a start does not check.
    pub unchecked: Vec<TreePath>,
    /// Clear folders that are unlocked whole, with their clear files.
    pub whole: Vec<TreePath>,
    /// The treatment of things that do not work in memory or beneath a mount.
    pub privileges: Privileges,
}

impl PathRules {
    /// Tells whether a folder has to stay one.
    pub(crate) fn keeps_folder(&self, path: &TreePath) -> bool {
        path.as_bytes().is_empty()
            || is_one_of(&FIXED, path)
            || [&self.volumes, &self.mountpoints, &self.public]
                .into_iter()
                .flatten()
                .any(|kept| kept.is_within(path))
            || self.is_public(path)
    }

    /// Tells whether a link or file has to stay as it is, since engines expect a folder at its path.
    pub(crate) fn keeps_link(&self, path: &TreePath) -> bool {
        is_one_of(&FIXED, path)
    }

    /// Tells whether engines mount over a folder, so that no program sees the image's files there.
    pub(crate) fn is_covered(&self, path: &TreePath) -> bool {
        is_one_of(&COVERED, path)
    }

    /// Returns the folders that engines mount over.
    pub(crate) fn covered(&self) -> impl Iterator<Item = TreePath> {
        COVERED.iter().map(|path| TreePath::parse(path.as_bytes()).expect("it is one"))
    }

    /// Tells whether everybody may see the thing at a path.
    pub(crate) fn is_public(&self, path: &TreePath) -> bool {
        self.public.iter().any(|public| path.is_within(public))
    }

    /// Tells whether engines need a file before a start unlocks anything.
    pub(crate) fn is_of_engines(&self, path: &TreePath) -> bool {
        is_one_of(&OF_ENGINES, path)
    }

    /// Tells whether a folder of the clear layers is unlocked whole, with its clear files.
    pub(crate) fn is_whole_folder(&self, path: &TreePath) -> bool {
        self.whole.contains(path)
    }

    /// Tells whether something lies in a folder that is unlocked whole.
    pub(crate) fn is_in_whole_folder(&self, path: &TreePath) -> bool {
        self.whole.iter().any(|folder| path.is_within(folder))
    }

    /// Tells whether a folder cannot become a link.
    pub(crate) fn stays_folder(&self, path: &TreePath) -> bool {
        self.keeps_folder(path) || self.volume_of(path).is_some()
    }

    /// Returns the volume that something lies in.
    pub(crate) fn volume_of(&self, path: &TreePath) -> Option<&TreePath> {
        self.volumes.iter().find(|volume| path.is_within(volume))
    }

    /// Returns the mount point that something lies in.
    pub(crate) fn mountpoint_of(&self, path: &TreePath) -> Option<&TreePath> {
        self.mountpoints.iter().find(|mountpoint| path.is_within(mountpoint))
    }
}

fn is_one_of(paths: &[&str], path: &TreePath) -> bool {
    paths.iter().any(|known| known.as_bytes() == path.as_bytes())
}
