//! Why an operation on registries failed.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use super::Complaint;
use crate::{Damage, Digest, ManifestError, MediumError};

/// Why an operation on registries failed.
///
/// URLs in it bear no query, since queries may bear signatures.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The answer is longer than it may be.
    #[error("the answer to {request} is longer than {limit} bytes")]
    AnswerTooLong {
        /// Method and URL.
        request: String,
        /// The bound.
        limit: u64,
    },
    /// The registry asks for authentication, but in no way that sealcrate knows.
    #[error("{host} asks for authentication, but in no way that is supported (Basic or Bearer)")]
    Challenge {
        /// The registry.
        host: String,
    },
    /// The registry served other bytes than the client asked for.
    #[error("the registry served something else than was asked for")]
    Damaged(#[from] Damage),
    /// The registry refuses access. The user is not logged in, or has no right to the image.
    #[error("{host} denies access{said}")]
    Denied {
        /// The registry.
        host: String,
        /// Its words.
        said: Complaint,
    },
    /// The registry's host cannot be made into a URL.
    #[error("{0} is no address of a registry")]
    Host(String),
    /// The registry asks for a login over plain HTTP, and the user has not allowed that.
    #[error("{host} speaks plain HTTP, over which the stored login is not sent{said}")]
    InsecureLogin {
        /// The registry.
        host: String,
        /// Its words.
        said: Complaint,
    },
    /// Credentials would leave unencrypted.
    #[error("{host} asks for credentials to be sent to {realm}, which is not encrypted")]
    InsecureRealm {
        /// The registry.
        host: String,
        /// The address of the token service.
        realm: String,
    },
    /// A redirect leads from an encrypted connection to one that is not.
    #[error("{from} redirects to {to}, which is not encrypted")]
    InsecureRedirect {
        /// The URL that redirects.
        from: String,
        /// The URL that it redirects to.
        to: String,
    },
    /// The registry serves no usable manifest.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The registry has no such image.
    #[error("{reference} is not in the registry{said}")]
    NotFound {
        /// The image's name.
        reference: String,
        /// The registry's words.
        said: Complaint,
    },
    /// The registry answers that it stored a blob or manifest, and does not have it.
    #[error("the registry said that it took {what}, but does not have it")]
    NotStored {
        /// Which blob or manifest.
        what: String,
    },
    /// The caller wants to write an image under a digest that it does not have.
    #[error("the image has the digest {has}, not {wanted}")]
    OtherDigest {
        /// The digest to write it under.
        wanted: Digest,
        /// Its own.
        has: Digest,
    },
    /// An answer does not follow the protocol.
    #[error("the answer to {request} makes no sense: {reason}")]
    Protocol {
        /// Method and URL.
        request: String,
        /// The error in the answer.
        reason: &'static str,
    },
    /// The runtime of the client cannot be started.
    #[error("cannot start the registry client")]
    Runtime(#[source] io::Error),
    /// A certificate, key or proxy cannot be used.
    #[error("cannot use {what}")]
    Setup {
        /// Which.
        what: &'static str,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A request that changes something, or has a secret in it, would go on to another host.
    #[error("{request} is redirected to {to}: only reads follow a redirect to another host")]
    RedirectAway {
        /// Method and URL.
        request: String,
        /// The URL that it is redirected to.
        to: String,
    },
    /// The registry answers with a status of an error.
    #[error("{request} was answered with status {status}{said}")]
    Status {
        /// Method and URL.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        said: Complaint,
    },
    /// A document has not come in its time.
    #[error("{request} was not answered in full within {} s", limit.as_secs_f32())]
    TooLate {
        /// Method and URL of the last attempt.
        request: String,
        /// How long all attempts together may take.
        limit: Duration,
    },
    /// Redirects lead on and on.
    #[error("{request} is redirected more than 10 times")]
    TooManyRedirects {
        /// Method and URL.
        request: String,
    },
    /// A blob moves too slowly.
    #[error("{request} is too slow: fewer than {least} bytes a second")]
    TooSlow {
        /// Method and URL.
        request: String,
        /// How many bytes a second are required.
        least: u64,
    },
    /// The registry cannot be reached, or the connection broke.
    #[error("{request} failed")]
    Transport {
        /// Method and URL.
        request: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Classified for RegistryError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Damaged(_) | Self::Manifest(_) => Some(ErrorClass::Damaged),
            Self::AnswerTooLong { .. }
            | Self::Challenge { .. }
            | Self::Denied { .. }
            | Self::Host(_)
            | Self::InsecureLogin { .. }
            | Self::InsecureRealm { .. }
            | Self::InsecureRedirect { .. }
            | Self::NotFound { .. }
            | Self::NotStored { .. }
            | Self::OtherDigest { .. }
            | Self::Protocol { .. }
            | Self::RedirectAway { .. }
            | Self::Status { .. }
            | Self::TooLate { .. }
            | Self::TooManyRedirects { .. }
            | Self::TooSlow { .. } => Some(ErrorClass::Failure),
            Self::Runtime(_) | Self::Setup { .. } | Self::Transport { .. } => None,
        }
    }
}

impl MediumError for RegistryError {}

impl RegistryError {
    /// Puts the error into an [`io::Error`], for callers that read through [`io::Read`].
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Damaged(damage) => damage.into(),
            other => io::Error::other(other),
        }
    }
}
