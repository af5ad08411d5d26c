//! The errors of an engine, told apart so that callers can tell the user how to go on.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use bollard::errors::Error as ClientError;
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::{Digest, EngineName, MediumError, Printable};

use super::Endpoint;

/// How many bytes of an engine's words are shown.
const MAX_SAID: usize = 400;

/// Why an operation on the Docker engine failed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A file with certificates or a key cannot be read.
    #[error("cannot use the certificate or key in {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The error in the file, where it is known.
        source: Option<Arc<dyn StdError + Send + Sync>>,
    },
    /// The connection cannot be made, or broke.
    #[error("the connection to the engine at {endpoint} failed")]
    Connection {
        /// The engine.
        endpoint: Box<Endpoint>,
        /// The cause.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// The engine ended the load before it had all of the image, without saying why.
    #[error("the engine stopped reading before the image was complete")]
    EndedEarly,
    /// Another layer of the same image failed, and the load with it.
    #[error("the load was given up: {reason}")]
    GivenUp {
        /// The error of the other layer.
        reason: String,
    },
    /// A layer that the engine held when it was asked is no longer there.
    #[error("a layer that the engine held has gone: {said}")]
    LayerGone {
        /// The engine's words.
        said: String,
    },
    /// The engine says that it loaded the image, but does not have it.
    #[error("the engine does not have the image {wanted} after loading it")]
    NotLoaded {
        /// Its ID or name.
        wanted: String,
    },
    /// The user may not speak to the engine.
    #[error("permission to use the engine at {endpoint} is denied")]
    NoPermission {
        /// The engine.
        endpoint: Box<Endpoint>,
    },
    /// The engine has no such image.
    #[error("the engine has no image {name}")]
    NoSuchImage {
        /// The name that the caller gave.
        name: EngineName,
    },
    /// There is no socket.
    #[error("there is no engine at {endpoint}")]
    NoSocket {
        /// Where it should be.
        endpoint: Box<Endpoint>,
    },
    /// Nobody listens.
    #[error("no engine listens at {endpoint}")]
    NotListening {
        /// Where it should be.
        endpoint: Box<Endpoint>,
    },
    /// The engine gave out another image than the caller asked for.
    #[error("the engine was asked for image {wanted}, but gave out {found}")]
    OtherImage {
        /// The ID that it named.
        wanted: Digest,
        /// The digest of the config that came.
        found: Digest,
    },
    /// A layer is not the one that the config names, as the engine found when it unpacked it.
    #[error("a layer is not the one that the config names: {said}")]
    OtherLayer {
        /// The engine's words.
        said: String,
    },
    /// The engine refuses.
    #[error("the engine refuses: {said}")]
    Refused {
        /// The status of its answer, unless the answer had begun well.
        status: Option<u16>,
        /// The engine's words.
        said: String,
    },
    /// The engine does not answer.
    #[error("the engine at {endpoint} does not answer")]
    TimedOut {
        /// The engine.
        endpoint: Box<Endpoint>,
    },
    /// No engine should give such an answer.
    #[error("the engine's answer cannot be understood")]
    Unintelligible {
        /// The error in the answer.
        source: Arc<dyn StdError + Send + Sync>,
    },
}

impl Classified for EngineError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::OtherLayer { .. } => Some(ErrorClass::Damaged),
            Self::EndedEarly
            | Self::GivenUp { .. }
            | Self::LayerGone { .. }
            | Self::NotLoaded { .. }
            | Self::NoPermission { .. }
            | Self::NoSuchImage { .. }
            | Self::NoSocket { .. }
            | Self::NotListening { .. }
            | Self::OtherImage { .. }
            | Self::Refused { .. }
            | Self::TimedOut { .. } => Some(ErrorClass::Failure),
            Self::Certificate { .. } | Self::Connection { .. } | Self::Unintelligible { .. } => {
                None
            }
        }
    }
}

impl MediumError for EngineError {
    fn follows_another(&self) -> bool {
        matches!(self, Self::GivenUp { .. })
    }
}

impl EngineError {
    /// Translates an error of the client library.
    pub(super) fn new(endpoint: &Endpoint, error: ClientError) -> Self {
        let endpoint = || Box::new(endpoint.clone());
        match error {
            ClientError::CertPathError { path }
            | ClientError::CertParseError { path }
            | ClientError::CertMultipleKeys { path, .. } => {
                Self::Certificate { path, source: None }
            }
            ClientError::DockerResponseServerError { status_code, message } => {
                Self::Refused { status: Some(status_code), said: said(&message) }
            }
            ClientError::DockerStreamError { error } => {
                Self::Refused { status: None, said: said(&error) }
            }
            ClientError::JsonDataError { .. }
            | ClientError::JsonSerdeError { .. }
            | ClientError::StrParseError { .. } => Self::Unintelligible { source: Arc::new(error) },
            ClientError::RequestTimeoutError => Self::TimedOut { endpoint: endpoint() },
            ClientError::SocketNotFoundError(_) => Self::NoSocket { endpoint: endpoint() },
            error => {
                let source = cause(error);
                match io_kind(&*source) {
                    Some(ErrorKind::NotFound) => Self::NoSocket { endpoint: endpoint() },
                    Some(ErrorKind::PermissionDenied) => {
                        Self::NoPermission { endpoint: endpoint() }
                    }
                    Some(ErrorKind::ConnectionRefused) => {
                        Self::NotListening { endpoint: endpoint() }
                    }
                    _ => Self::Connection { endpoint: endpoint(), source },
                }
            }
        }
    }

    /// Translates an error during a load.
    pub(super) fn of_load(endpoint: &Endpoint, error: ClientError) -> Self {
        match Self::new(endpoint, error) {
            // The engine says this when it lacks a layer and finds no file of it in the archive.
            Self::Refused { said, .. } if said.contains("no such file or directory") => {
                Self::LayerGone { said }
            }
            // Layers of bound images are not unpacked on their way, so the engine is the first that
            // sees the diff ID.
            Self::Refused { said, .. } if said.contains("invalid diffID") => {
                Self::OtherLayer { said }
            }
            other => other,
        }
    }
}

/// Removes the client library's words about its own parts, which would also hide the kind of an I/O
/// error. The inner error takes their place in the chain.
fn cause(error: ClientError) -> Arc<dyn StdError + Send + Sync> {
    match error {
        ClientError::HyperLegacyError { err } => Arc::new(err),
        ClientError::HyperResponseError { err } => Arc::new(err),
        ClientError::IOError { err } => Arc::new(err),
        other => Arc::new(other),
    }
}

/// Returns the kind of the innermost operating system's error.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    let mut kind = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            kind = Some(error.kind());
        }
        next = error.source();
    }
    kind
}

/// Makes an engine's words fit to be shown: bounded, printable, with one blank between words.
fn said(words: &str) -> String {
    let mut shown = String::new();
    for word in Printable(words).to_string().split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
        if shown.len() > MAX_SAID {
            let end = (0..=MAX_SAID).rev().find(|end| shown.is_char_boundary(*end));
            shown.truncate(end.unwrap_or(0));
            shown.push('…');
            break;
        }
    }
    if shown.is_empty() { "(it does not say why)".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_io_errors_are_told_apart() {
        let endpoint = Endpoint::Unix("/nowhere".into());
        let told = |kind: ErrorKind| EngineError::new(&endpoint, std::io::Error::from(kind).into());
        assert!(matches!(told(ErrorKind::NotFound), EngineError::NoSocket { .. }));
        assert!(matches!(told(ErrorKind::PermissionDenied), EngineError::NoPermission { .. }));
        assert!(matches!(told(ErrorKind::ConnectionRefused), EngineError::NotListening { .. }));
        assert!(matches!(told(ErrorKind::BrokenPipe), EngineError::Connection { .. }));
    }

    #[test]
    fn words_are_bounded_and_on_one_line() {
        assert_eq!(said("no\n\u{1b}[31m such\timage\0"), "no \u{fffd}[31m such image\u{fffd}");
        assert_eq!(said(" \n"), "(it does not say why)");
        let long = said(&"ä".repeat(100_000));
        assert!(long.len() <= MAX_SAID + 3 && long.ends_with('…'), "{}", long.len());
    }
}
