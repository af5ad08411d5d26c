//! Streams: requests whose bodies one thread reads while another sends them.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::registry::client::{Call, Client};
use crate::registry::http::answer::Answer;
use crate::registry::http::flow::Flow;
use crate::registry::http::retry::Failure;
use crate::registry::http::transport::Payload;

/// How many bytes are read at once.
const CHUNK: usize = 128 << 10;

/// How many chunks wait for the connection.
const WAITING: usize = 4;

/// How often a thread that waits for the connection checks that it is still there.
const LOOK: Duration = Duration::from_millis(100);

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
            flow.wait();
        }
        match receiver.recv().await {
            Some(chunk) => {
                flow.take(chunk.len() as u64);
                Some((Ok(chunk), Some((receiver, flow))))
            }
            None if flow.has_ended() => None,
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
            flow.end();
            return Ok(());
        }
        position += chunk.len() as u64;
        flow.offer(position);
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
