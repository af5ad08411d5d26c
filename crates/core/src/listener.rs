//! The listener of an operation: it is told what the operation does and what its caller ought to know.

use std::fmt;

use sealcrate_pack::{OwnFile, Privilege};

use crate::error::{Error, ErrorSource};
use crate::index::WhyDropped;
use crate::left_behind::LeftBehind;

/// The listener of an operation.
pub trait Listener: Send + Sync {
    /// Takes a notice, in the order of events.
    fn notice(&self, notice: &Notice);

    /// Learns that names are given from now on: an end of the program would leave half a result.
    fn names_begin(&self) {}

    /// Learns that all names are given, or none.
    fn names_end(&self) {}
}

/// A listener that does not listen.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Listener for Silent {
    fn notice(&self, _notice: &Notice) {}
}

/// A fact that the caller of an operation ought to know, and that does not end the operation.
#[derive(Debug)]
pub enum Notice {
    /// Attestations are left out.
    AttestationsDropped {
        /// The digests, shortened.
        digests: Vec<String>,
        /// The reason.
        why: WhyDropped,
    },
    /// Layers of the base image stay in clear.
    BaseStaysClear {
        /// The number of these layers.
        clear: usize,
        /// The number of all layers.
        all: usize,
    },
    /// Data keys stay, so that former readers who kept one can still read the layers.
    DataKeysStay,
    /// Nothing of an earlier locked image is used again.
    EarlierUnusable {
        /// Its place.
        location: String,
        /// The reason.
        error: Box<Error>,
    },
    /// Layers that were pushed before are encrypted anew.
    EncryptedAnew {
        /// The number of layers.
        layers: usize,
        /// The reason.
        reason: String,
    },
    /// The config in clear shows something that looks like a secret.
    Exposed(String),
    /// The files that are packed beside a program are not written.
    FilesBesideLeftOut {
        /// The number of files and folders.
        count: usize,
        /// The path of the first one. A stranger may have written it.
        first: String,
    },
    /// The children of indexes within the index are written out.
    FlatIndex,
    /// An image that is copied as it is keeps its home.
    KeepsHome {
        /// The home.
        home: String,
        /// The place of the copy.
        place: String,
    },
    /// The sealed record makes a long annotation.
    LargeRecord {
        /// Its length in bytes.
        bytes: u64,
    },
    /// A layer is encrypted, so that nobody finds a program in it.
    LayerNotSearched(String),
    /// An image in clear stays beside its encrypted copy.
    LeftBehind(LeftBehind),
    /// A program looks for libraries beside itself, at this run path, and will not find them once it is packed.
    LooksBesideItself(String),
    /// The memory of earlier pushes cannot be used.
    MemoryUnusable(ErrorSource),
    /// The memory of earlier pushes cannot be written.
    MemoryUnwritten(ErrorSource),
    /// Nothing binds the images of the written index to each other.
    NotSealedTogether,
    /// An image that was pushed before is not used again.
    NotUsedAgain {
        /// Its name.
        name: String,
        /// The reason.
        reason: String,
    },
    /// The image has the sealed record of another image, which does not count.
    OtherRecord,
    /// The packed program does not have these privileges of the program.
    PrivilegesLost(Vec<Privilege>),
    /// These readers can open the image from now on.
    Readers {
        /// Their names. A stranger may have written them.
        named: Vec<String>,
        /// The number of readers without a name.
        unnamed: usize,
    },
    /// A program reads its own file, or looks beside it, and will have none once it is packed.
    ReadsItsOwnFile(OwnFile),
    /// A child of the index will be sealed together with the others.
    SealedTogether {
        /// The platform that the index states.
        platform: Option<String>,
        /// The digest, shortened.
        digest: String,
    },
    /// Nothing binds layers and config of the image to each other.
    Unbound,
    /// Nothing binds the images of the index to each other.
    UnboundIndex,
    /// The stub or init of a program that gets a response is not of this build.
    UnknownStarter {
        /// The program that runs first.
        starter: Starter,
        /// The place of the program that asks.
        location: String,
    },
    /// Layers have other digests than their writer stated.
    WrongDigests(Vec<String>),
}

/// The program that runs first in a packed program or a locked image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// The init of a locked image.
    Init,
    /// The stub of a packed program.
    Stub,
}

impl fmt::Display for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Stub => "stub",
        })
    }
}
