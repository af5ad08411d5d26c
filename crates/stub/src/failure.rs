//! Errors of packed programs, beside the errors that every payload can have.

use core::fmt;

use sealcrate_stub_start::system::Errno;
use sealcrate_stub_start::{self as start, Shown, Tell};
use thiserror::Error;

/// Why the program does not start.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The file's capabilities cannot be passed on.
    #[error("the program runs without the capabilities of its file: {0}")]
    Capabilities(Errno),
    /// The program lies in a folder. Its user could exchange it there, and would get the file's capabilities.
    #[error(
        "the program runs without the capabilities of its file: its user may change what lies in a \
         folder"
    )]
    CapabilitiesInFolder,
    /// The program cannot be executed.
    #[error("cannot execute the program: {0}")]
    Execute(Errno),
    /// Something cannot be made in the program's folder.
    #[error("cannot put the program into {}: {error}", Shown(path))]
    Folder {
        /// The folder.
        path: &'static [u8],
        /// The kernel's error.
        error: Errno,
    },
    /// The user who started the set-ID program could exchange it in the folder.
    #[error("a set-ID program cannot be put into a folder: its user may change what lies there")]
    IdsInFolder,
    /// The loader that the program asks for is not there.
    #[error("cannot execute the program: the loader that it names is not here")]
    Loader,
    /// The kernel forbids programs in memory.
    #[error("this machine forbids programs in memory: the setting vm.memfd_noexec is 2")]
    NoExecutableMemory,
    /// Programs cannot be executed in the folder.
    #[error("{} is noexec: {advice}", Shown(advice.path))]
    NoExecute {
        /// The option that helps.
        advice: Advice,
    },
    /// The kernel or a filter forbids the call that executes memory, and the other way needs `/proc`.
    #[error("cannot execute the program: execveat: {0}, and there is no /proc")]
    NoProc(Errno),
    /// The folder is not a mount of its own in memory.
    #[error(
        "{} is not memory of its own, and nothing private is written elsewhere: {advice}",
        Shown(advice.path)
    )]
    NotOwnMemory {
        /// The option that helps.
        advice: Advice,
    },
    /// The segment is the stub's own placeholder.
    #[error("there is no program: this is a stub alone")]
    NotPacked,
    /// Somebody else could exchange the program.
    #[error("others may change what lies in {}", Shown(.0))]
    OthersWrite(&'static [u8]),
    /// The file in memory cannot be made, written or sealed.
    #[error("cannot hold the program in memory: {0}")]
    Program(Errno),
    /// There is too little room in the folder.
    #[error("{} has {free} MiB free: {advice}", Shown(advice.path))]
    Room {
        /// The free room, in MiB.
        free: u64,
        /// The option that helps.
        advice: Advice,
    },
    /// The payload cannot be opened.
    #[error("{0}")]
    Start(#[from] start::Failure),
}

/// The option that makes a proper folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    /// The folder.
    pub(crate) path: &'static [u8],
    /// The room that the folder needs, in MiB.
    pub(crate) mib: u64,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mib } = self;
        write!(f, "start it with --tmpfs {}:exec,size={mib}m,mode=1777", Shown(path))
    }
}

impl Tell for Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Start(failure) => failure.status(),
            _ => 1,
        }
    }
}
