//! The key-provider protocol, as ocicrypt defines it. In its JSON, tools that encrypt and decrypt
//! images ask another program to wrap and unwrap keys.
//!
//! This provider receives a [`Request`], and answers with sealcrate's items. [`Provider`] is
//! another one, which sealcrate asks, and [`ProviderConfig`] is the file that lists such providers.
//! `bytes` reads and writes the protocol's byte strings. Nothing here starts programs, connects or
//! listens: implementations of [`Call`] do that.

mod answer;
mod bytes;
mod called;
mod config;
mod operation;
mod outgoing;
mod request;
mod scheme;

pub use answer::{Subject, UnwrapError, Unwrapped, WrapError};
pub use called::{
    Call, CallError, MAX_ANSWER_BYTES, Provider, ProviderError, ProviderName, ProviderNameError,
};
pub use config::{MAX_CONFIG_BYTES, ProviderAddress, ProviderConfig, ProviderConfigError};
pub use operation::Operation;
pub use request::{MAX_REQUEST_BYTES, Request, RequestError, UnwrapRequest, WrapRequest};
