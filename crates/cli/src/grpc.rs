//! The little of gRPC that key providers speak: calls with one message and one answer, without
//! compression, over HTTP/2.
//!
//! "gRPC over HTTP2". `client` calls, `server` is called, `message` is what goes over the wire either way.
//! Which streams that runs on, and what the messages are, is for others to know.

mod client;
mod message;
mod server;

use sealcrate_crypt::ocicrypt::provider::Operation;

pub(crate) use client::{CallFailure, call};
pub(crate) use message::{Code, Status};
pub(crate) use server::{Service, serve};

/// How the media types of requests and answers begin.
const MEDIA_TYPE: &str = "application/grpc";

/// Every operation, and the path of its method.
const METHODS: [(Operation, &str); 2] = [
    (Operation::Unwrap, "/keyprovider.KeyProviderService/UnWrapKey"),
    (Operation::Wrap, "/keyprovider.KeyProviderService/WrapKey"),
];
