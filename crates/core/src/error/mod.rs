//! Why an operation fails.

pub(crate) mod class;

use std::io;

use sealcrate_crypt::format::FormatError;
use sealcrate_crypt::formats::{ChooseError, OpenError};
use sealcrate_crypt::sealed::{HomeError, TableError};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{ConfigError, IndexError, ManifestError, ReadError, WriteError};
use thiserror::Error;

use crate::program::{DestinationError, PackOptionsError, RespondError};

/// The cause of an error, of any type.
pub type ErrorSource = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation fails.
#[derive(Debug, Error)]
pub enum Error {
    /// The layers cannot be chosen.
    #[error("{0}")]
    Choose(#[from] ChooseError),
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A child of an index fails: its name, and why.
    #[error("{0}")]
    Child(String, #[source] Box<Self>),
    /// The file of the result cannot be written.
    #[error("{0}")]
    Destination(#[from] DestinationError),
    /// A format does not take the image or the keys.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// The image is at another place than its home.
    #[error("{0}")]
    Home(#[from] HomeError),
    /// The index cannot be used.
    #[error("{0}")]
    Index(#[from] IndexError),
    /// The system fails.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The caller's own part fails, such as a prompt for a passphrase.
    #[error("{0}")]
    Caller(#[source] ErrorSource),
    /// The image is locked, and not encrypted.
    #[error(
        "the image is locked, not encrypted: `docker pull` fetches it, and its start asks for the key"
    )]
    LockedImage,
    /// The manifest cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The image is encrypted to recipients, and there is no identity.
    #[error("the image is encrypted to recipients, and no identity was given")]
    MissingIdentity,
    /// The image is encrypted under a passphrase, and there is none.
    #[error("the image is encrypted: a passphrase is needed, and none was given")]
    MissingPassphrase,
    /// The image cannot be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The image is for another platform than its index says.
    #[error("the index says that the image is for {stated}, the image that it is for {own}")]
    OtherPlatform {
        /// The platform in the index.
        stated: String,
        /// The platform in the image.
        own: String,
    },
    /// An option does not fit the program to pack.
    #[error("{0}")]
    PackOptions(#[from] PackOptionsError),
    /// A place cannot be opened, or its image cannot be used.
    #[error("cannot {action} {location}")]
    Place {
        /// The action, such as "read".
        action: &'static str,
        /// The place.
        location: String,
        /// The cause.
        source: ErrorSource,
    },
    /// The image is not encrypted.
    #[error("the image is not encrypted")]
    PlainImage,
    /// The image cannot be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The operation would do what the caller has not allowed, or what cannot be done.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A challenge gets no response.
    #[error("{0}")]
    Respond(#[from] RespondError),
    /// The index is not the sealed one.
    #[error("{0}")]
    Table(#[from] TableError),
    /// Nothing binds the images of an index to each other.
    #[error("nothing binds the images of the index to each other")]
    UnboundIndex,
    /// The image cannot be written.
    #[error("{0}")]
    Write(#[from] WriteError),
}

impl Classified for Error {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::LockedImage | Self::PlainImage => Some(ErrorClass::NotEncrypted),
            Self::MissingIdentity | Self::MissingPassphrase => Some(ErrorClass::Key),
            Self::OtherPlatform { .. } | Self::UnboundIndex => Some(ErrorClass::Damaged),
            Self::Choose(_)
            | Self::Config(_)
            | Self::Child(..)
            | Self::Destination(_)
            | Self::Format(_)
            | Self::Home(_)
            | Self::Index(_)
            | Self::Io(_)
            | Self::Caller(_)
            | Self::Manifest(_)
            | Self::Open(_)
            | Self::PackOptions(_)
            | Self::Place { .. }
            | Self::Read(_)
            | Self::Refused(_)
            | Self::Respond(_)
            | Self::Table(_)
            | Self::Write(_) => None,
        }
    }
}

/// The request that an operation refuses.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// A base image chooses the layers of one platform, and the index has several.
    #[error("a base image is of one platform, and the index has images for several")]
    BaseOfIndex,
    /// Nobody sees the binding of an image without a key.
    #[error("only a key shows what binds an image, and there is no key")]
    BindingWithoutKey,
    /// The destination takes no encrypted images.
    #[error("an encrypted image can be written to a registry or an OCI layout only")]
    Destination,
    /// Private parts would be stored in clear.
    #[error("this would leave in clear what was private: {}", .0.join(", "))]
    Exposes(Vec<String>),
    /// Layers would be stored in clear that were pushed encrypted before.
    #[error("this would push in clear what was pushed encrypted before: {}", .0.join(", "))]
    ExposesLayers(Vec<String>),
    /// The caller's places have no engine.
    #[error("there is no engine here")]
    NoEngine,
    /// The place is no layout and no archive.
    #[error("it is no layout and no archive")]
    NoFile,
    /// Nothing says where the image was pushed to, so it may be another one than the caller means.
    #[error(
        "the image does not say where it was pushed to, so it may be another one than you mean; it lies at {0}"
    )]
    Homeless(String),
    /// An index lies within an index.
    #[error("an index within an index can only be copied as it is: choose a platform")]
    NestedIndex,
    /// The image lies elsewhere than the caller states, and does not say where it was pushed to.
    #[error("the image does not say where it was pushed to, and lies at {place}, not at {stated}")]
    OtherPlace {
        /// The place of the image.
        place: String,
        /// The place that the caller states.
        stated: String,
    },
    /// A decrypted image would be written to a registry.
    #[error("a decrypted image is not written to a registry")]
    PublishesDecrypted,
    /// An unlocked image would be written to a registry.
    #[error("an unlocked image is not written to a registry")]
    PublishesUnlocked,
    /// Indexes lie within each other.
    #[error("too many indexes lie within each other")]
    TooDeep,
}

impl Classified for Refusal {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}
