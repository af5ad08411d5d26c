//! Providers that sealcrate calls: requests to them, and their answers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::bytes::Bytes;
use super::operation::Operation;
use super::outgoing::{unwrap_request, wrap_request};

/// The longest answer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The longest name, in bytes.
const MAX_NAME: usize = 64;

/// The way to a provider: an implementation carries requests to it.
pub trait Call: Send + Sync {
    /// Sends the JSON of one request, and returns the JSON of the answer, of at most
    /// [`MAX_ANSWER_BYTES`] bytes.
    ///
    /// # Errors
    /// The provider is not there, refuses, or takes too long.
    fn call(&self, operation: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, CallError>;
}

/// The name of a provider, which is a part of the name of an annotation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProviderName(String);

impl FromStr for ProviderName {
    type Err = ProviderNameError;

    fn from_str(text: &str) -> Result<Self, ProviderNameError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        match (1..=MAX_NAME).contains(&text.len()) && text.chars().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(ProviderNameError),
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says that a text cannot be the name of a provider.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the name of a key provider is 1 to {MAX_NAME} letters, digits, dots, dashes and underscores"
)]
pub struct ProviderNameError;

impl Classified for ProviderNameError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

/// A provider, and the parameter that it gets with each request. Copies are the same provider.
#[derive(Clone)]
pub struct Provider {
    name: ProviderName,
    /// The end of the name of the annotation that holds its wrapped keys.
    annotation: String,
    parameter: Option<Arc<Zeroizing<Vec<u8>>>>,
    way: Arc<dyn Call>,
}

impl Provider {
    /// Takes the name of the provider behind `way`, and the parameter that the user wrote for it.
    pub fn new(
        name: ProviderName,
        parameter: Option<Zeroizing<Vec<u8>>>,
        way: Arc<dyn Call>,
    ) -> Self {
        let annotation = format!("provider.{name}");
        Self { name, annotation, parameter: parameter.map(Arc::new), way }
    }

    /// Returns the end of the name of the annotation that holds its wrapped keys.
    pub(super) fn annotation(&self) -> &str {
        &self.annotation
    }

    /// Asks the provider to wrap private options, and returns the item.
    pub(super) fn wrap_options(&self, options: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let request = wrap_request(&self.name.0, self.parameter(), options);
        let answer = self.call(Operation::Wrap, request)?;
        match answer.keywrapresults.and_then(|of| of.annotation) {
            Some(annotation) if !annotation.0.is_empty() => Ok(annotation.0.to_vec()),
            _ => Err(self.failed(CallError::Answer)),
        }
    }

    /// Asks the provider to unwrap an item that it wrapped, and returns the private options.
    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let request = unwrap_request(&self.name.0, self.parameter(), wrapped);
        let answer = self.call(Operation::Unwrap, request)?;
        match answer.keyunwrapresults.and_then(|of| of.optsdata) {
            Some(options) if !options.0.is_empty() => Ok(options.0),
            _ => Err(self.failed(CallError::Answer)),
        }
    }

    fn parameter(&self) -> Option<&[u8]> {
        self.parameter.as_deref().map(|parameter| &parameter[..])
    }

    fn call(
        &self,
        operation: Operation,
        request: Zeroizing<Vec<u8>>,
    ) -> Result<Answer, ProviderError> {
        let answer = self.way.call(operation, &request).map_err(|error| self.failed(error))?;
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(self.failed(CallError::TooLong));
        }
        serde_json::from_slice(&answer).map_err(|_| self.failed(CallError::Answer))
    }

    fn failed(&self, source: CallError) -> ProviderError {
        ProviderError { name: self.name.clone(), source }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    keywrapresults: Option<Wrapped>,
    #[serde(default)]
    keyunwrapresults: Option<Unwrapped>,
}

#[derive(Deserialize)]
struct Wrapped {
    #[serde(default)]
    annotation: Option<Bytes>,
}

#[derive(Deserialize)]
struct Unwrapped {
    #[serde(default)]
    optsdata: Option<Bytes>,
}

/// Names the provider that failed.
#[derive(Debug, Error)]
#[error("the key provider {name} fails")]
pub struct ProviderError {
    name: ProviderName,
    source: CallError,
}

impl Classified for ProviderError {
    fn class(&self) -> Option<ErrorClass> {
        None
    }
}

impl ProviderError {
    /// Tells whether the provider answered and refused.
    pub fn is_refusal(&self) -> bool {
        matches!(self.source, CallError::Refused(_))
    }
}

/// Why a provider failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// It sends something that is no answer.
    #[error("its answer cannot be read")]
    Answer,
    /// It refuses, in these words, which may be anybody's.
    #[error("{0}")]
    Refused(String),
    /// It does not answer in time.
    #[error("it does not answer within {0} seconds")]
    TimedOut(u64),
    /// Its answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("its answer is longer than 1 MiB")]
    TooLong,
    /// It cannot be reached or started.
    #[error("cannot reach {address}")]
    Unreachable {
        /// The address that was tried.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl Classified for CallError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Answer | Self::Refused(_) | Self::TimedOut(_) | Self::TooLong => {
                Some(ErrorClass::Failure)
            }
            Self::Unreachable { .. } => None,
        }
    }
}
