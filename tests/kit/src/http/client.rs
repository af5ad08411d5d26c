//! A client that sends one request.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;

use super::body::read_body;
use super::head::{Headers, RequestHead, ResponseHead};

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: ResponseHead,
    /// The content, without its framing.
    pub body: Vec<u8>,
}

/// Sends a request to `host` (`127.0.0.1:PORT`) over a connection of its own.
///
/// `Host`, `Content-Length` and `Connection` are added to `headers`.
///
/// # Errors
/// If the connection fails or ends before the response does.
pub fn request(
    method: &str,
    host: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut stream = TcpStream::connect(host)?;
    let length = body.len().to_string();
    let added = [("Host", host), ("Content-Length", &length), ("Connection", "close")];
    let headers = Headers::of(added.iter().chain(headers).copied());
    RequestHead::new(method, target, headers).write(&mut stream)?;
    stream.write_all(body)?;
    let mut reader = BufReader::new(stream);
    let head = ResponseHead::read(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let body = read_body(&mut reader, head.framing(method)?)?;
    Ok(Response { status: head.status(), head, body })
}
