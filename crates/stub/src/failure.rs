//! What can go wrong with a packed program beyond what can with every payload.

use sealcrate_stub_start::system::Errno;
use sealcrate_stub_start::{self as start, Tell};
use thiserror::Error;

/// Why the program does not start.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The file's capabilities cannot be passed on.
    #[error("the program runs without the capabilities of its file: {0}")]
    Capabilities(Errno),
    /// The program cannot be executed.
    #[error("cannot execute the program: {0}")]
    Execute(Errno),
    /// The loader that the program asks for is not there.
    #[error("cannot execute the program: the loader that it names is not here")]
    Loader,
    /// The kernel forbids programs in memory.
    #[error("this machine forbids programs in memory: the setting vm.memfd_noexec is 2")]
    NoExecutableMemory,
    /// The call is forbidden that executes memory, and the other way needs `/proc`.
    #[error("cannot execute the program: execveat: {0}, and there is no /proc")]
    NoProc(Errno),
    /// The segment is the stub's own placeholder.
    #[error("there is no program: this is a stub alone")]
    NotPacked,
    /// The file in memory cannot be made, written or sealed.
    #[error("cannot hold the program in memory: {0}")]
    Program(Errno),
    /// The payload cannot be opened.
    #[error("{0}")]
    Start(#[from] start::Failure),
}

impl Tell for Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Start(failure) => failure.status(),
            _ => 1,
        }
    }
}
