//! Errors of locked images, in words for the user.

use core::fmt;

use sealcrate_packfile::index::IndexError;
use sealcrate_stub_start::system::Errno;
use sealcrate_stub_start::{self as start, Pages, Shown, Tell};
use thiserror::Error;

use crate::paths::UNLOCK_FOLDER;

/// Why an image does not start.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Something cannot be made.
    #[error("cannot unlock {}: {error}", Shown(path))]
    Create {
        /// Its path in the image.
        path: &'static [u8],
        /// The kernel's error.
        error: Errno,
    },
    /// A file in a clear layer differs from the locked one.
    #[error(
        "/{} is not the one that was locked: {what}; if you replace it yourself, lock the image with \
         --unchecked and that path",
        Shown(path)
    )]
    Exchanged {
        /// Where it is.
        path: &'static [u8],
        /// The difference.
        what: &'static str,
    },
    /// The command cannot be executed.
    #[error("cannot execute {}: {error}", Shown(program))]
    Execute {
        /// The program.
        program: &'static [u8],
        /// The kernel's error.
        error: Errno,
    },
    /// Too few files can be made.
    #[error(
        "{UNLOCK_FOLDER} has room for {free} more files, and {needed} are needed: \
         {advice},nr_inodes={advised}"
    )]
    Files {
        /// The number of files that can be made.
        free: u64,
        /// The number of files that are needed.
        needed: u64,
        /// The number of files that the folder should have room for.
        advised: u64,
        /// The option that helps.
        advice: Advice,
    },
    /// A volume has our links instead of files.
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
    /// The process cannot change to the command's folder.
    #[error("cannot change to the folder {}: {error}", Shown(path))]
    Folder {
        /// The folder.
        path: &'static [u8],
        /// The kernel's error.
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
        /// The kernel's error.
        error: Errno,
    },
    /// A volume is mounted among the private files.
    #[error(
        "something is mounted at {}, among the private files: lock the image with --mountpoint and \
         that path, without {UNLOCK_FOLDER} before it",
        Shown(path)
    )]
    Mount {
        /// Where it is.
        path: &'static [u8],
    },
    /// A file is mounted among the private files.
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
    /// Programs cannot be executed in the unlock folder.
    #[error("{UNLOCK_FOLDER} is noexec, and there are programs to unlock: {0}")]
    NoExecute(Advice),
    /// The unlock folder cannot be made.
    #[error("cannot make {UNLOCK_FOLDER}: {error}: {advice}")]
    NoFolder {
        /// The kernel's error.
        error: Errno,
        /// The option that helps.
        advice: Advice,
    },
    /// The unlock folder holds a file that is not ours.
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
    /// Files belong to the user who has unlocked them. The start goes on all the same.
    #[error(
        "unlocked files of other users belong to root: this container may not give them away, since \
         it is without the capability CHOWN, or does not know these users"
    )]
    NotGiven,
    /// The unlock folder would lie in memory that is not the container's own.
    #[error(
        "/dev is not the container's own here: private files would be seen outside, and outlive it: {0}"
    )]
    NotOwn(Advice),
    /// The image is not unlocked.
    #[error("the image is not unlocked here, or for another user: {0}")]
    NotUnlocked(Errno),
    /// The index is wrong, though it is authentic.
    #[error("the payload is damaged: {0}")]
    Index(#[from] IndexError),
    /// A file of the payload cannot be read.
    #[error("the payload is damaged: cannot read {}: {error}", Shown(path))]
    Payload {
        /// The file.
        path: &'static [u8],
        /// The kernel's error.
        error: Errno,
    },
    /// There is too little room.
    #[error("{UNLOCK_FOLDER} has {free} MiB free, and {needed} MiB are needed: {advice}")]
    Room {
        /// The free room, in MiB.
        free: u64,
        /// The needed room, in MiB.
        needed: u64,
        /// The option that helps.
        advice: Advice,
    },
    /// The payload cannot be opened.
    #[error("{0}")]
    Start(#[from] start::Failure),
    /// Another process has told the user why it failed.
    #[error("not unlocked")]
    Told(u8),
}

/// The option that makes a proper unlock folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    /// The room that the folder needs, in MiB.
    pub(crate) mib: u64,
    /// Whether this process runs as root.
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
            // Engines use these statuses for commands that are missing or cannot be run.
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

/// Returns the failure to make the file at a path.
#[cold]
#[inline(never)]
pub(crate) fn cannot_create(path: &[u8], error: Errno) -> Failure {
    match kept(path) {
        Ok(path) => Failure::Create { path, error },
        Err(failure) => failure,
    }
}

/// Copies a text that an error may show into memory that stays until the process ends.
#[cold]
#[inline(never)]
pub(crate) fn kept(text: &[u8]) -> Result<&'static [u8], Failure> {
    let mut pages =
        Pages::new(text.len().max(1)).map_err(|_| start::Failure::Memory("a message"))?;
    pages[..text.len()].copy_from_slice(text);
    Ok(&pages.leak()[..text.len()])
}
