//! The key-provider protocol: the JSON in which tools that encrypt and decrypt images ask another program
//! to wrap and unwrap keys, as ocicrypt defines it.
//!
//! [`Request`] is what a provider is asked, and answers with items of ours; `bytes` are the protocol's
//! byte strings, `message` what gRPC puts around all of it. Nothing here starts programs or listens.

mod answer;
mod bytes;
mod message;
mod request;

pub use answer::{UnwrapError, Unwrapped, WrapError};
pub use message::{MessageError, message_of, only_field};
pub use request::{
    MAX_REQUEST_BYTES, Operation, Request, RequestError, UnwrapRequest, WrapRequest,
};
