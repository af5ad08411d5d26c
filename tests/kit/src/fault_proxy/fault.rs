//! The script of the fault proxy: the faults, and the requests that they hit.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Gate;
use crate::http::RequestHead;

/// A fault in a request or its response.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends when the head has been read, and before its body is.
    CutBeforeRequestBody,
    /// The connection ends after this many bytes of the request's body.
    CutRequestAfter(u64),
    /// The connection ends after this many bytes of the response's body.
    CutResponseAfter(u64),
    /// The request is forwarded only after this time.
    Delay(Duration),
    /// The request is forwarded only when the gate is opened.
    Hold(Gate),
    /// The request is forwarded with another value in its header `Authorization`.
    Authorize(String),
    /// The request goes nowhere and is answered with this status and these headers.
    Answer {
        /// The status code.
        status: u16,
        /// Headers such as `Retry-After`.
        headers: Vec<(String, String)>,
    },
    /// The request goes nowhere and is answered with 200 and this content.
    Serve {
        /// The value of `Content-Type`.
        content_type: String,
        /// The content.
        body: Vec<u8>,
    },
    /// The response's `Docker-Content-Digest` has this value.
    ClaimDigest(String),
    /// The response's `Content-Length` is off by this many bytes. The body is sent as it is, and
    /// the connection ends after it.
    MisstateLength(i64),
    /// The byte at this offset of the response's body has all its bits inverted.
    FlipResponseByte(u64),
    /// The response's body goes out byte by byte, with such a pause before each.
    Trickle(Duration),
    /// The request is answered with 307 and the same path at this `HOST:PORT`.
    RedirectTo(String),
}

impl Fault {
    /// An answer with this status, and `Retry-After` if seconds are given.
    pub fn answer(status: u16, retry_after: Option<u32>) -> Self {
        let headers = retry_after.map(|seconds| ("Retry-After".to_owned(), seconds.to_string()));
        Self::Answer { status, headers: headers.into_iter().collect() }
    }
}

/// A fault, and the requests that it hits.
#[derive(Clone, Debug)]
pub struct Rule {
    method: String,
    path_part: String,
    occurrences: RangeInclusive<usize>,
    pub(super) fault: Fault,
    seen: usize,
}

impl Rule {
    /// A fault for every request with this method whose path and query contain `path_part`.
    pub fn new(method: &str, path_part: &str, fault: Fault) -> Self {
        Self {
            method: method.to_owned(),
            path_part: path_part.to_owned(),
            occurrences: 1..=usize::MAX,
            fault,
            seen: 0,
        }
    }

    /// Only for these of the matching requests, counted from 1 over all connections.
    #[must_use]
    pub fn only(mut self, occurrences: RangeInclusive<usize>) -> Self {
        self.occurrences = occurrences;
        self
    }

    /// Only for the first matching request.
    #[must_use]
    pub fn once(self) -> Self {
        self.only(1..=1)
    }

    /// Counts a request that matches, and tells whether the fault hits it.
    pub(super) fn applies(&mut self, head: &RequestHead) -> bool {
        if self.method != head.method() || !head.target().contains(&self.path_part) {
            return false;
        }
        self.seen += 1;
        self.occurrences.contains(&self.seen)
    }
}
