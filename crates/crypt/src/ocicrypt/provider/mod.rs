//! The key-provider protocol: the JSON in which tools that encrypt and decrypt images ask another program
//! to wrap and unwrap keys, as ocicrypt defines it.
//!
//! [`Request`] is what this provider is asked, and answers with items of ours. [`Provider`] is one that is
//! asked from here, and [`ProviderConfig`] the file that says which there are. `bytes` are the protocol's
//! byte strings, `message` what gRPC puts around all of it. Nothing here starts programs, connects or
//! listens: that is for whoever implements [`Call`].

mod answer;
mod bytes;
mod called;
mod config;
mod message;
mod request;

pub use answer::{Subject, UnwrapError, Unwrapped, WrapError};
pub use called::{
    Call, CallError, MAX_ANSWER_BYTES, Provider, ProviderError, ProviderName, ProviderNameError,
};
pub use config::{MAX_CONFIG_BYTES, ProviderAddress, ProviderConfig, ProviderConfigError};
pub use message::{MessageError, message_of, only_field};
pub use request::{
    MAX_REQUEST_BYTES, Operation, Request, RequestError, UnwrapRequest, WrapRequest,
};
