//! Requests to a provider, from any program that can reach it.

use sealcrate_agefile::x25519;
use sealcrate_errors::{Classified, ErrorClass};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::bytes::{Bytes, OptionsBytes};
use super::operation::{NO_PARAMETER, Operation};
use crate::ocicrypt::options::{OptionsError, PrivateOptions};
use crate::ocicrypt::{AgeItem, AgeItemError, Identity, IdentityError, MAX_WRAPS};

/// The longest request, in bytes: gRPC's default limit, and far more than a key and its parameters
/// need.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;

/// The most identities in a request.
const MAX_IDENTITIES: usize = 64;

/// A request that was parsed.
#[derive(Debug)]
pub enum Request {
    /// A request to unwrap a layer's private options.
    Unwrap(UnwrapRequest),
    /// A request to wrap a layer's private options.
    Wrap(WrapRequest),
}

/// A request to unwrap an item.
pub struct UnwrapRequest {
    pub(super) identities: Vec<Identity>,
    pub(super) item: AgeItem,
}

/// A request to wrap the private options of a layer.
pub struct WrapRequest {
    pub(super) recipients: Vec<x25519::Recipient>,
    pub(super) content: Zeroizing<Vec<u8>>,
    pub(super) options: PrivateOptions,
}

#[derive(Deserialize)]
struct Members {
    op: String,
    #[serde(default)]
    keywrapparams: Option<WrapMembers>,
    #[serde(default)]
    keyunwrapparams: Option<UnwrapMembers>,
}

#[derive(Deserialize)]
struct WrapMembers {
    #[serde(default)]
    ec: Option<Config>,
    #[serde(default)]
    optsdata: Option<OptionsBytes>,
}

#[derive(Deserialize)]
struct UnwrapMembers {
    #[serde(default)]
    dc: Option<Config>,
    #[serde(default)]
    annotation: Option<Bytes>,
}

/// The caller's parameters. Parameters for other providers are passed over.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    // The provider's name.
    #[serde(default)]
    sealcrate: Option<Vec<Bytes>>,
}

impl Config {
    /// Returns the parameters for this provider.
    fn ours(config: Option<Self>) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
        let parameters = config.unwrap_or_default().parameters.unwrap_or_default();
        let ours = parameters.sealcrate.unwrap_or_default().into_iter();
        ours.map(|bytes| bytes.0).filter(|bytes| !bytes.is_empty() && **bytes != NO_PARAMETER)
    }
}

impl Request {
    /// Parses the JSON of a request.
    ///
    /// # Errors
    /// The request is too long or malformed; it asks for another operation, or for both at once. A
    /// parameter is no recipient or identity. The bytes to wrap are no private options, or the
    /// bytes to unwrap are no item of sealcrate.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong);
        }
        // serde would take a list for the members in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(RequestError::Malformed);
        }
        let members: Members =
            serde_json::from_slice(bytes).map_err(|_| RequestError::Malformed)?;
        let (ec, options) = members.keywrapparams.map_or((None, None), |of| (of.ec, of.optsdata));
        let (dc, annotation) =
            members.keyunwrapparams.map_or((None, None), |of| (of.dc, of.annotation));
        let operation = [Operation::Wrap, Operation::Unwrap]
            .into_iter()
            .find(|operation| operation.name() == members.op)
            .ok_or_else(|| RequestError::Operation(members.op.chars().take(64).collect()))?;
        match (operation, options, annotation) {
            (_, Some(_), Some(_)) => Err(RequestError::Both),
            (Operation::Wrap, Some(options), None) => {
                Ok(Self::Wrap(WrapRequest::new(ec, options.0)?))
            }
            (Operation::Unwrap, None, Some(annotation)) => {
                Ok(Self::Unwrap(UnwrapRequest::new(dc, &annotation.0)?))
            }
            (Operation::Wrap, None, _) => Err(RequestError::Missing("optsdata")),
            (Operation::Unwrap, _, None) => Err(RequestError::Missing("annotation")),
        }
    }

    /// Returns the operation that the request asks for.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Unwrap(_) => Operation::Unwrap,
            Self::Wrap(_) => Operation::Wrap,
        }
    }
}

impl WrapRequest {
    /// Tells whether the request names recipients.
    pub fn names_recipients(&self) -> bool {
        !self.recipients.is_empty()
    }

    fn new(ec: Option<Config>, content: Zeroizing<Vec<u8>>) -> Result<Self, RequestError> {
        let options = PrivateOptions::parse(&content)?;
        let mut recipients = Vec::new();
        for parameter in Config::ours(ec) {
            let text = str::from_utf8(&parameter).map_err(|_| RequestError::Recipient)?;
            let words = text.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
            for word in words {
                if recipients.len() == MAX_WRAPS {
                    return Err(RequestError::TooManyRecipients);
                }
                recipients.push(word.parse().map_err(|_| RequestError::Recipient)?);
            }
        }
        Ok(Self { recipients, content, options })
    }
}

impl UnwrapRequest {
    fn new(dc: Option<Config>, annotation: &[u8]) -> Result<Self, RequestError> {
        let item = AgeItem::parse(annotation)?;
        let mut identities = Vec::new();
        for parameter in Config::ours(dc) {
            if identities.len() == MAX_IDENTITIES {
                return Err(RequestError::TooManyIdentities);
            }
            identities.push(Identity::parse(&parameter).map_err(RequestError::Identity)?);
        }
        Ok(Self { identities, item })
    }
}

impl std::fmt::Debug for UnwrapRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnwrapRequest(..)")
    }
}

impl std::fmt::Debug for WrapRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrapRequest(..)")
    }
}

/// Why a request cannot be answered, with any key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is something to wrap and something to unwrap.
    #[error("the request asks to wrap and to unwrap at once")]
    Both,
    /// A parameter is no identity.
    #[error("a parameter of the request is no identity")]
    Identity(#[source] IdentityError),
    /// The bytes to unwrap are no item of sealcrate.
    #[error("{0}")]
    Item(#[from] AgeItemError),
    /// The JSON is not of the right shape.
    #[error("the request is malformed")]
    Malformed,
    /// A member is missing.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// The request asks for an unknown operation.
    #[error("the request asks for the unknown operation {0:?}")]
    Operation(String),
    /// The bytes to wrap are no private options.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// A parameter is no recipient.
    #[error("a parameter of the request is no age recipient (age1…)")]
    Recipient,
    /// It is longer than [`MAX_REQUEST_BYTES`].
    #[error("the request is longer than 4 MiB")]
    TooLong,
    /// There are too many identities.
    #[error("the request has more than {MAX_IDENTITIES} identities")]
    TooManyIdentities,
    /// There are more recipients than a reader looks at.
    #[error("the request has more than {MAX_WRAPS} recipients")]
    TooManyRecipients,
}

impl Classified for RequestError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Identity(_) => Some(ErrorClass::Key),
            Self::Item(_) | Self::Options(_) => Some(ErrorClass::Damaged),
            Self::Both
            | Self::Malformed
            | Self::Missing(_)
            | Self::Operation(_)
            | Self::Recipient
            | Self::TooLong
            | Self::TooManyIdentities
            | Self::TooManyRecipients => Some(ErrorClass::Failure),
        }
    }
}
