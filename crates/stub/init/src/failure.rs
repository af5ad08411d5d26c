//! What can go wrong with a locked image, in words for whoever started it.

use core::fmt;

use sealcrate_packfile::index::IndexError;
use sealcrate_stub_start::system::Errno;
use sealcrate_stub_start::{self as start, Shown, Tell};
use thiserror::Error;

use crate::unlock_folder::UNLOCK_FOLDER;

/// Why an image does not start.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Something cannot be made.
    #[error("cannot unlock {}: {error}", Shown(path))]
    Create {
        /// Its path in the image.
        path: &'static [u8],
        /// Why it cannot.
        error: Errno,
    },
    /// Something in a clear layer is not what was locked.
    #[error(
        "/{} is not the one that was locked: {what}; if you replace it yourself, lock the image with \
         --unchecked and that path",
        Shown(path)
    )]
    Exchanged {
        /// Where it is.
        path: &'static [u8],
        /// What is different.
        what: &'static str,
    },
    /// The command cannot be executed.
    #[error("cannot execute {}: {error}", Shown(program))]
    Execute {
        /// What was to be executed.
        program: &'static [u8],
        /// Why it cannot.
        error: Errno,
    },
    /// Too few files can be made.
    #[error(
        "{UNLOCK_FOLDER} has room for {free} more files, and {needed} are needed: \
         {advice},nr_inodes={advised}"
    )]
    Files {
        /// How many can be made.
        free: u64,
        /// How many are needed.
        needed: u64,
        /// How many there should be.
        advised: u64,
        /// The option that helps.
        advice: Advice,
    },
    /// A volume has our links in the place of files.
    #[error(
        "the volume at {} was filled with links to private files, and what is written to them would \
         be lost: lock the image with --public and that path, or mount an empty volume there, with \
         the option nocopy",
        Shown(path)
    )]
    Filled {
        /// Where it is.
        path: &'static [u8],
    },
    /// The folder that the command is run in cannot be.
    #[error("cannot change to the folder {}: {error}", Shown(path))]
    Folder {
        /// The folder.
        path: &'static [u8],
        /// Why it cannot.
        error: Errno,
    },
    /// A file of an earlier start cannot be removed.
    #[error(
        "cannot remove {} in {UNLOCK_FOLDER}, which an earlier start has left: {error}",
        Shown(name)
    )]
    Leftover {
        /// Its name.
        name: &'static [u8],
        /// Why it cannot.
        error: Errno,
    },
    /// A volume lies where private files are.
    #[error(
        "something is mounted at {}, among the private files: lock the image with --mountpoint and \
         that path, without {UNLOCK_FOLDER} before it",
        Shown(path)
    )]
    Mount {
        /// Where it is.
        path: &'static [u8],
    },
    /// A file lies where private files are.
    #[error(
        "a file is mounted at {}, among the private files: mount it at another path, or lock the image \
         with --public /{}, which leaves the image's own file there in clear",
        Shown(path),
        Shown(path.get(UNLOCK_FOLDER.len() + 1..).unwrap_or_default())
    )]
    MountedFile {
        /// Where it is.
        path: &'static [u8],
    },
    /// There is no command.
    #[error("the image has no command: give one")]
    NoCommand,
    /// Programs cannot be executed.
    #[error("{UNLOCK_FOLDER} is noexec, and there are programs to unlock: {0}")]
    NoExecute(Advice),
    /// The unlock folder cannot be made.
    #[error("cannot make {UNLOCK_FOLDER}: {error}: {advice}")]
    NoFolder {
        /// Why it cannot.
        error: Errno,
        /// What to do.
        advice: Advice,
    },
    /// Something lies in the unlock folder that is not ours.
    #[error(
        "{UNLOCK_FOLDER} is not empty, and {} there was not left by an earlier start of this user: \
         give it a folder of its own",
        Shown(name)
    )]
    NotEmpty {
        /// Its name.
        name: &'static [u8],
    },
    /// The unlock folder is not memory.
    #[error("{UNLOCK_FOLDER} is not memory, and nothing private is written to a disk: {0}")]
    NotMemory(Advice),
    /// Files belong to who has unlocked them. That is no reason to end.
    #[error(
        "unlocked files of other users belong to root: this container may not give them away, since \
         it is without the capability CHOWN, or does not know these users"
    )]
    NotGiven,
    /// The unlock folder would be in memory of somebody else.
    #[error(
        "/dev is not the container's own here: private files would be seen outside, and outlive it: {0}"
    )]
    NotOwn(Advice),
    /// It is not unlocked.
    #[error("the image is not unlocked here, or for another user: {0}")]
    NotUnlocked(Errno),
    /// The index is wrong, though it is authentic.
    #[error("the payload is damaged: {0}")]
    Index(#[from] IndexError),
    /// A file of the payload is not there.
    #[error("the payload is damaged: cannot read {}: {error}", Shown(path))]
    Payload {
        /// The file.
        path: &'static [u8],
        /// Why it cannot.
        error: Errno,
    },
    /// There is too little room.
    #[error("{UNLOCK_FOLDER} has {free} MiB free, and {needed} MiB are needed: {advice}")]
    Room {
        /// How much is free.
        free: u64,
        /// How much is needed.
        needed: u64,
        /// What to do.
        advice: Advice,
    },
    /// The payload cannot be opened.
    #[error("{0}")]
    Start(#[from] start::Failure),
    /// Another process has told why it failed.
    #[error("not unlocked")]
    Told(u8),
}

/// The option that makes a proper unlock folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    /// How much has to fit, in MiB.
    pub(crate) mib: u64,
    /// Whether root needs it.
    pub(crate) is_root: bool,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_root { "" } else { ",mode=1777" };
        write!(f, "start it with --tmpfs {UNLOCK_FOLDER}:exec,size={}m{mode}", self.mib)
    }
}

impl Tell for Failure {
    fn status(&self) -> u8 {
        match self {
            // As engines tell of commands that are not there, or cannot be run.
            Self::Execute { error: Errno::NO_ENTRY, .. } => 127,
            Self::Execute { .. } => 126,
            Self::Exchanged { .. } | Self::Index(_) | Self::Payload { .. } => 5,
            Self::Start(failure) => failure.status(),
            Self::Told(status) => *status,
            _ => 1,
        }
    }

    fn is_told(&self) -> bool {
        matches!(self, Self::Told(_))
    }
}
