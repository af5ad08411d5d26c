//! The requests that came through the proxy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::http::{Piece, RequestHead};

/// A request that came through the proxy.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Start line and headers as the client wrote them.
    pub head: RequestHead,
    /// How many bytes of content the client sent, as far as the proxy read them.
    pub body_length: u64,
    /// The status that the client got; `None` if it got none.
    pub status: Option<u16>,
}

/// All requests, in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Records(Mutex<Vec<RecordedRequest>>);

impl Records {
    /// Adds a request of which the head was read.
    pub(super) fn add(&self, head: &RequestHead) -> Record<'_> {
        let mut requests = self.lock();
        requests.push(RecordedRequest { head: head.clone(), body_length: 0, status: None });
        Record { records: self, number: requests.len() - 1 }
    }

    /// Returns the requests so far.
    pub(super) fn all(&self) -> Vec<RecordedRequest> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RecordedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record of one request, which grows while the request is served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'r> {
    records: &'r Records,
    number: usize,
}

impl Record<'_> {
    /// Counts a piece of the request's body.
    pub(super) fn count(self, piece: &Piece) {
        self.records.lock()[self.number].body_length += piece.content_length();
    }

    /// Notes the status that the client gets.
    pub(super) fn answered(self, status: u16) {
        self.records.lock()[self.number].status = Some(status);
    }
}
