//! Why there is no answer, and whether another attempt may get one.

use std::error::Error as StdError;
use std::io;

use super::retry::{Failure, Pace};
use crate::registry::RegistryError;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The client library says why.
    Http(reqwest::Error),
    /// The time of the document is over.
    Late,
    /// Nothing has come for too long.
    Silent,
    /// A blob moves, but less than it has to.
    Slow,
}

/// Tells whether another attempt may find a working connection.
pub(crate) fn broken(request: String, broken: Broken, pace: &Pace) -> Failure {
    let error = match broken {
        Broken::Late => return RegistryError::TooLate { request, limit: pace.document }.into(),
        Broken::Slow => {
            let least = pace.least_rate.bytes;
            return RegistryError::TooSlow { request, least }.into();
        }
        Broken::Silent => {
            let source = io::Error::new(io::ErrorKind::TimedOut, "the connection is silent");
            let error = RegistryError::Transport { request, source: Box::new(source) };
            return Failure::passing(error, None);
        }
        // The name of the request is shown already, and the URL may bear a signature.
        Broken::Http(error) => error.without_url(),
    };
    let lasting = error.is_builder() || is_tls_refusal(&error);
    let error = RegistryError::Transport { request, source: Box::new(error) };
    if lasting { error.into() } else { Failure::passing(error, None) }
}

/// Tells whether the peer does not speak TLS or has a certificate that is not trusted.
fn is_tls_refusal(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if error_is_invalid_data(io) {
            return true;
        }
        // An error within an I/O error is not among its causes.
        cause = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

fn error_is_invalid_data(error: Option<&io::Error>) -> bool {
    error.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
}
