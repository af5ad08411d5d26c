//! The parts of HTTP/1.1 that the servers of tests need, over plain TCP: heads, bodies, and a client.

mod body;
mod client;
mod head;

use std::io;

pub use body::{Body, Framing, Piece, read_body};
pub use client::{Response, request};
pub use head::{Headers, RequestHead, ResponseHead};

/// Returns the error for bytes that are no HTTP.
pub(crate) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
