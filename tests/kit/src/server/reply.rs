//! The answer to a request, and how the server treats the connection.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;
use std::{net::TcpStream, thread};

use super::request::Request;
use super::store::Store;
use crate::http::{Headers, ResponseHead};

/// An answer of a scripted server.
pub struct Reply {
    /// The status code; none closes the connection.
    status: Option<u16>,
    headers: Headers,
    body: Vec<u8>,
    /// How much of the body is sent before the connection is cut.
    cut: Option<usize>,
    /// How much of the request's body is read before the answer.
    pub(super) most_read: usize,
    /// How much of the request's body is read at once, and the pause before each time.
    pub(super) sip: Option<(usize, Duration)>,
    /// The end of a connection that cannot go on.
    pub(super) end: End,
    /// The pause before each byte of the body.
    drip: Option<Duration>,
    completion: Option<Completion>,
}

/// Completes an answer after the body of its request was read.
type Completion = Box<dyn FnOnce(Reply, &Request, &Store) -> Reply + Send>;

/// The end of a connection that cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is closed.
    Closed,
    /// It is held open until the server ends.
    Held,
}

impl Reply {
    /// Makes an answer with a status alone.
    pub fn new(status: u16) -> Self {
        Self {
            status: Some(status),
            headers: Headers::default(),
            body: Vec::new(),
            cut: None,
            most_read: usize::MAX,
            sip: None,
            end: End::Closed,
            drip: None,
            completion: None,
        }
    }

    /// Makes an answer with status 200 and a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200).body(body)
    }

    /// Answers as `answer` says, which gets the request with its body.
    pub fn once_read(answer: impl FnOnce(&Request) -> Self + Send + 'static) -> Self {
        Self::new(200).completed(move |_, request, _| answer(request))
    }

    /// Stores the body of the request as a registry does, and states its digest.
    pub fn stored() -> Self {
        Self::new(201).completed(|reply, request, store| match request.is_whole {
            true => reply.header("Docker-Content-Digest", store.keep(request)),
            false => reply,
        })
    }

    /// Serves the stored bytes of the digest at the end of the path. Without them, it answers 404.
    pub fn served() -> Self {
        Self::new(404).completed(|mut reply, request, store| {
            let Some((digest, bytes)) = store.find(request) else { return reply };
            reply.status = Some(200);
            reply.body(bytes).header("Docker-Content-Digest", digest)
        })
    }

    /// Closes the connection without an answer, after `bytes` of the request's body.
    pub fn none_after(bytes: usize) -> Self {
        Self { status: None, most_read: bytes, ..Self::new(200) }
    }

    /// Never answers.
    pub fn never() -> Self {
        Self { status: None, ..Self::new(200) }.early(0)
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Sends `bytes` of the body, and closes the connection.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// Sends `bytes` of the body, and then nothing.
    #[must_use]
    pub fn silent_after(mut self, bytes: usize) -> Self {
        self.end = End::Held;
        self.cut_after(bytes)
    }

    /// Answers after `bytes` of the request's body, and leaves the rest in the connection.
    #[must_use]
    pub fn early(mut self, bytes: usize) -> Self {
        self.most_read = bytes;
        self.end = End::Held;
        self
    }

    /// Sends one byte of the body after the other, with `pause` before each.
    #[must_use]
    pub fn drip(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Reads at most `bytes` of the request's body at once, with `pause` before each time.
    #[must_use]
    pub fn sip(mut self, bytes: usize, pause: Duration) -> Self {
        self.sip = Some((bytes, pause));
        self
    }

    fn completed(
        mut self,
        completion: impl FnOnce(Self, &Request, &Store) -> Self + Send + 'static,
    ) -> Self {
        self.completion = Some(Box::new(completion));
        self
    }

    /// Completes the answer, after as much of the request was read as it wants.
    pub(super) fn complete(mut self, request: &Request, store: &Store) -> Self {
        match self.completion.take() {
            Some(completion) => completion(self, request, store),
            None => self,
        }
    }

    /// Writes the answer, and tells whether all of it was written.
    pub(super) fn write(&self, request: &Request, stream: &TcpStream) -> io::Result<bool> {
        let Some(status) = self.status else { return Ok(false) };
        let mut headers = self.headers.clone();
        headers.add("Content-Length", self.body.len().to_string());
        ResponseHead::scripted(status, headers).write(&mut &*stream)?;
        let sent = if request.is("HEAD") { 0 } else { self.cut.unwrap_or(self.body.len()) };
        write_body(stream, &self.body[..sent], self.drip)?;
        Ok(self.cut.is_none())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, body, .. } = self;
        write!(f, "Reply({status:?}, {headers:?}, {} bytes)", body.len())
    }
}

/// Writes a body at once, or byte by byte.
fn write_body(mut stream: &TcpStream, body: &[u8], drip: Option<Duration>) -> io::Result<()> {
    let Some(pause) = drip else { return stream.write_all(body) };
    for byte in body.chunks(1) {
        thread::sleep(pause);
        stream.write_all(byte)?;
    }
    Ok(())
}
