//! Providers that sealcrate calls: requests to them, and their answers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::bytes::Bytes;
use super::operation::{NO_PARAMETER, Operation};

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
        let parameter = self.parameter.as_deref().map_or(NO_PARAMETER, |bytes| bytes);
        let request = Text::default()
            .add(r#"{"op":"keywrap","keywrapparams":{"ec":{"Parameters":{""#)
            .add(&self.name.0)
            .add(r#"":[""#)
            .encoded(parameter)
            .add(r#""]},"DecryptConfig":{"Parameters":null}},"optsdata":""#)
            .encoded(options)
            .add(r#""},"keyunwrapparams":{"dc":null,"annotation":null}}"#);
        let answer = self.call(Operation::Wrap, request)?;
        match answer.keywrapresults.and_then(|of| of.annotation) {
            Some(annotation) if !annotation.0.is_empty() => Ok(annotation.0.to_vec()),
            _ => Err(self.failed(CallError::Answer)),
        }
    }

    /// Asks the provider to unwrap an item that it wrapped, and returns the private options.
    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let start = r#"{"op":"keyunwrap","keywrapparams":{"ec":null,"optsdata":null},"keyunwrapparams":{"dc":{"Parameters":"#;
        let request = Text::default().add(start);
        let request = match self.parameter.as_deref() {
            Some(parameter) => request
                .add(r#"{""#)
                .add(&self.name.0)
                .add(r#"":[""#)
                .encoded(parameter)
                .add(r#""]}"#),
            None => request.add("null"),
        };
        let request = request.add(r#"},"annotation":""#).encoded(wrapped).add(r#""}}"#);
        let answer = self.call(Operation::Unwrap, request)?;
        match answer.keyunwrapresults.and_then(|of| of.optsdata) {
            Some(options) if !options.0.is_empty() => Ok(options.0),
            _ => Err(self.failed(CallError::Answer)),
        }
    }

    fn call(&self, operation: Operation, request: Text) -> Result<Answer, ProviderError> {
        let answer = self.way.call(operation, &request.0).map_err(|error| self.failed(error))?;
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

/// A request while it is built. It may hold a key, so it leaves no copy behind when it grows.
#[derive(Default)]
struct Text(Zeroizing<Vec<u8>>);

impl Text {
    fn add(mut self, text: &str) -> Self {
        if self.0.len() + text.len() > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (self.0.len() + text.len())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn encoded(self, bytes: &[u8]) -> Self {
        self.add(&Zeroizing::new(STANDARD.encode(bytes)))
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
