//! Why an operation on registries failed.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use thiserror::Error;

use super::Complaint;
use crate::{Damage, Digest, ManifestError};

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
    /// The registry asks for authentication in no way that is known.
    #[error("{host} asks for authentication, but in no way that is supported (Basic or Bearer)")]
    Challenge {
        /// The registry.
        host: String,
    },
    /// The registry served other bytes than those that were asked for.
    #[error("the registry served something else than was asked for")]
    Damaged(#[from] Damage),
    /// The registry refuses access. Nobody is logged in, or whoever is has no right to it.
    #[error("{host} denies access{said}")]
    Denied {
        /// The registry.
        host: String,
        /// What it said.
        said: Complaint,
    },
    /// The registry's host cannot be made into a URL.
    #[error("{0} is no address of a registry")]
    Host(String),
    /// The registry asks for a login over plain HTTP, and nobody has allowed to send it so.
    #[error("{host} speaks plain HTTP, over which the stored login is not sent{said}")]
    InsecureLogin {
        /// The registry.
        host: String,
        /// What it said.
        said: Complaint,
    },
    /// Credentials would leave unencrypted.
    #[error("{host} asks for credentials to be sent to {realm}, which is not encrypted")]
    InsecureRealm {
        /// The registry.
        host: String,
        /// Where tokens are to be had.
        realm: String,
    },
    /// An encrypted connection would be left for one that is not.
    #[error("{from} redirects to {to}, which is not encrypted")]
    InsecureRedirect {
        /// Who redirects.
        from: String,
        /// Where to.
        to: String,
    },
    /// What the registry serves is no usable manifest.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The registry has no such image.
    #[error("{reference} is not in the registry{said}")]
    NotFound {
        /// The image's name.
        reference: String,
        /// What the registry said.
        said: Complaint,
    },
    /// The registry took something, and does not have it.
    #[error("the registry said that it took {what}, but does not have it")]
    NotStored {
        /// Which blob or manifest.
        what: String,
    },
    /// An image was to be written under a digest that it does not have.
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
        /// What is wrong.
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
        /// Where to.
        to: String,
    },
    /// The registry answers with a status that says no.
    #[error("{request} was answered with status {status}{said}")]
    Status {
        /// Method and URL.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What the registry said.
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
        /// How many bytes a second there have to be.
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

impl RegistryError {
    /// Puts the error into an [`io::Error`] for those who read through [`io::Read`].
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Damaged(damage) => damage.into(),
            other => io::Error::other(other),
        }
    }
}
