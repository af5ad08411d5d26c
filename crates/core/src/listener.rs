//! The listener of an operation: it is told what the operation does and what its caller ought to know.

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
    /// An image in clear stays beside its encrypted copy.
    LeftBehind(LeftBehind),
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
    /// These readers can open the image from now on.
    Readers {
        /// Their names. A stranger may have written them.
        named: Vec<String>,
        /// The number of readers without a name.
        unnamed: usize,
    },
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
    /// Layers have other digests than their writer stated.
    WrongDigests(Vec<String>),
}
