//! The little of gRPC that key providers speak: calls with one message and one answer, without
//! compression, over HTTP/2.
//!
//! "gRPC over HTTP2". `client` calls, `server` answers, and `message` holds the messages of both. Callers
//! provide the streams, and know the meaning of the messages.

mod client;
mod message;
mod server;

use sealcrate_crypt::ocicrypt::provider::Operation;

pub(crate) use client::{CallFailure, call};
pub(crate) use message::{Code, Status};
pub(crate) use server::{Service, serve};

/// The beginning of the media types of requests and answers.
const MEDIA_TYPE: &str = "application/grpc";

/// Every operation, and the path of its method.
const METHODS: [(Operation, &str); 2] = [
    (Operation::Unwrap, "/keyprovider.KeyProviderService/UnWrapKey"),
    (Operation::Wrap, "/keyprovider.KeyProviderService/WrapKey"),
];
