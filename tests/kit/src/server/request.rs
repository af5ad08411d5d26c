//! The requests that a scripted server remembers.

use crate::http::RequestHead;

/// A request that a server got.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method, target and headers.
    pub head: RequestHead,
    line: String,
    /// As much of the body as was read.
    pub body: Vec<u8>,
    /// Whether that is the whole body.
    pub is_whole: bool,
    /// The number of its connection.
    pub connection: usize,
}

impl Request {
    /// Begins with a request of which the head was read.
    pub(super) fn new(head: RequestHead, connection: usize) -> Self {
        let line = format!("{} {}", head.method(), head.target());
        Self { head, line, body: Vec::new(), is_whole: false, connection }
    }

    /// Returns the method, the path and the query, with spaces between.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Tells whether this is its method.
    pub fn is(&self, method: &str) -> bool {
        self.head.method() == method
    }

    /// Returns the first value of a header. The case of its name does not count.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
}
