//! Streams: requests whose bodies one thread reads while another sends them.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::registry::client::{Call, Client};
use crate::registry::http::retry::Failure;
use crate::registry::http::transport::{Answer, Payload};

/// How many bytes are read at once.
const CHUNK: usize = 128 << 10;

/// How many chunks wait for the connection.
const WAITING: usize = 4;

/// How often a thread that waits for the connection checks that it is still there.
const LOOK: Duration = Duration::from_millis(100);

/// How far a stream has come.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    offered: AtomicU64,
    taken: AtomicU64,
    /// How often the connection had to wait for bytes.
    waits: AtomicU64,
    ended: AtomicBool,
}

/// How far a stream had come at some time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    left: u64,
    taken: u64,
    waits: u64,
    is_whole: bool,
}

impl Flow {
    pub(crate) fn mark(&self) -> Mark {
        let taken = self.taken.load(Ordering::Acquire);
        let is_whole = self.ended.load(Ordering::Acquire);
        let left = self.offered.load(Ordering::Acquire).saturating_sub(taken);
        let waits = self.waits.load(Ordering::Acquire);
        Mark { left, taken, waits, is_whole }
    }
}

impl Mark {
    /// Tells whether the connection has taken all that there is.
    pub(crate) fn is_at_end(self) -> bool {
        self.is_whole && self.left == 0
    }

    /// Returns how many bytes the connection has taken since another mark, if it never had to wait for
    /// them and could have taken more.
    pub(crate) fn sent_since(self, before: Self) -> Option<u64> {
        let is_its_own_rate = self.waits == before.waits && !self.is_at_end() && !self.is_dry();
        is_its_own_rate.then_some(self.taken - before.taken)
    }

    /// Tells whether the connection waits for bytes that are not there yet.
    pub(crate) fn is_dry(self) -> bool {
        !self.is_whole && self.left == 0
    }
}

/// Makes a request whose body are the bytes of `reader`: `len` bytes, where that is known. Tells
/// `advance` how many have been read so far. A request whose bytes cannot be read breaks off.
///
/// # Errors
/// Errors of reading take precedence over errors of the exchange, since they cause those.
pub(crate) fn send(
    client: &Client,
    mut call: Call,
    reader: &mut dyn Read,
    len: Option<u64>,
    advance: &mut dyn FnMut(u64),
) -> io::Result<Result<Answer, Failure>> {
    let octets = HeaderValue::from_static("application/octet-stream");
    call.headers.insert(CONTENT_TYPE, octets);
    let flow = Arc::new(Flow::default());
    let (sender, receiver) = channel(WAITING);
    let payload = Payload::Stream { body: body(receiver, flow.clone()), len, flow: flow.clone() };
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.wait(client.attempt_stream(&call, payload)));
        feed(client, reader, sender, &flow, &sending, advance)?;
        Ok(sending.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn body(receiver: Receiver<Bytes>, flow: Arc<Flow>) -> Body {
    Body::wrap_stream(stream::unfold(Some((receiver, flow)), async |rest| {
        let (mut receiver, flow) = rest?;
        if receiver.is_empty() {
            flow.waits.fetch_add(1, Ordering::Release);
        }
        match receiver.recv().await {
            Some(chunk) => {
                flow.taken.fetch_add(chunk.len() as u64, Ordering::Release);
                Some((Ok(chunk), Some((receiver, flow))))
            }
            None if flow.ended.load(Ordering::Acquire) => None,
            // Without a length, the registry would take a part for the whole.
            None => Some((Err(io::Error::other("the bytes broke off")), None)),
        }
    }))
}

/// Reads chunks and gives them to the connection, until the chunks or the connection end.
fn feed<T>(
    client: &Client,
    mut reader: &mut dyn Read,
    sender: Sender<Bytes>,
    flow: &Flow,
    sending: &ScopedJoinHandle<'_, T>,
    advance: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut position = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        (&mut reader).take(CHUNK as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            flow.ended.store(true, Ordering::Release);
            return Ok(());
        }
        position += chunk.len() as u64;
        flow.offered.store(position, Ordering::Release);
        let mut chunk = Bytes::from(chunk);
        loop {
            if sending.is_finished() {
                return Ok(());
            }
            match client.wait(sender.send_timeout(chunk, LOOK)) {
                Ok(()) => break,
                Err(SendTimeoutError::Closed(_)) => return Ok(()),
                Err(SendTimeoutError::Timeout(unsent)) => chunk = unsent,
            }
        }
        advance(position);
    }
}

#[cfg(test)]
impl Mark {
    /// Tells whether the connection has taken `bytes` bytes.
    pub(crate) fn has_taken(self, bytes: u64) -> bool {
        self.taken >= bytes
    }
}

#[cfg(test)]
impl Flow {
    /// A stream whose remaining bytes have all been offered.
    pub(crate) fn offered(bytes: u64) -> Self {
        Self { offered: AtomicU64::new(bytes), ..Self::default() }
    }

    /// Takes `bytes` of them.
    pub(crate) fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_of_a_connection_is_known_only_while_it_is_what_is_waited_for() {
        let mark = |left, taken, waits, is_whole| Mark { left, taken, waits, is_whole };
        let before = mark(5, 10, 1, false);
        assert_eq!(mark(5, 12, 1, false).sent_since(before), Some(2));
        assert_eq!(mark(5, 12, 1, true).sent_since(before), Some(2));
        for now in [mark(5, 12, 2, false), mark(0, 12, 1, false), mark(0, 12, 1, true)] {
            assert_eq!(now.sent_since(before), None);
        }
    }
}
