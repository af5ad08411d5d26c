//! Pushes, pulls, copies and rewraps encrypted container images, locks images, and packs programs.
//!
//! A [`Session`] has the tools of every operation on images: the [`Places`] that images are read from and
//! written to, a [`Listener`] that is told what happens, and the bounds on bytes from outside. A
//! [`FileSession`] has the tools of operations that work on files alone. The other crates know what an image
//! is and how it is encrypted; this one knows the steps of an operation.
//!
//! Nothing here reads arguments or the environment, prompts, or prints.

mod copy;
mod earlier;
mod encrypting;
mod error;
mod exposure;
mod index;
mod inspect;
mod left_behind;
mod listener;
mod lock;
mod opening;
mod places;
mod private;
mod program;
mod pull;
mod push;
mod rewrap;
mod session;
mod written;

pub use copy::{CopyEncryption, CopyOptions, Publication, copy};
pub use earlier::Doubts;
pub use earlier::memory::PushMemory;
pub use error::class::{causes, class};
pub use error::{Error, ErrorSource, Refusal};
pub use exposure::{exposed, looks_secret};
pub use index::chosen::Listed;
pub use index::{Attestations, WhyDropped};
pub use inspect::{Inside, InspectOptions, Inspected, inspect};
pub use left_behind::LeftBehind;
pub use listener::{Listener, Notice, Silent, Starter};
pub use lock::{LockOptions, UnlockOptions, lock, unlock};
pub use opening::home_of;
pub use places::{Direct, Files, Places};
pub use private::{Exposure, Private};
pub use program::{
    Destination, DestinationError, Existing, FileSession, PackOptions, PackOptionsError,
    ProgramLocation, RespondError, RespondOptions, Responded, StartFolder, UnpackOptions,
    UnpackedPart, WrittenProgram, pack, respond, start_key_file, unpack,
};
pub use pull::{PullOptions, pull};
pub use push::{Encrypting, Preview, PushOptions, Reuse, preview, push};
pub use rewrap::{DataKeys, RewrapOptions, rewrap};
pub use sealcrate_errors::ErrorClass;
pub use session::{Names, Session};
pub use written::Written;

/// The result of a step.
pub type Result<T, E = Error> = std::result::Result<T, E>;
