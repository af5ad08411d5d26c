//! Blobs on their way up: each in one request, from the beginning whenever that breaks.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Body, Method, Url};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::client::{Client, Right};
use super::retry::Failure;
use super::transport::Payload;
use super::{RegistryError, redirect};
use crate::{Content, Digest, Meter, Repository, WriteError};

/// How much is read at once.
const CHUNK: usize = 128 << 10;

/// How many chunks wait for the connection.
const WAITING: usize = 4;

/// How often somebody who waits for the connection looks whether it is still there.
const LOOK: Duration = Duration::from_millis(100);

/// Tells whether `repository` has a blob.
pub(super) async fn is_there(
    client: &Client,
    repository: &Repository,
    digest: Digest,
) -> Result<bool, RegistryError> {
    let place = format!("blobs/{digest}");
    let call = client.call(Method::HEAD, repository, &place, Right::Push).await?;
    client
        .pace()
        .persist(async || {
            let answer = client.attempt(&call).await?;
            match answer.status.as_u16() {
                200 => Ok(true),
                404 => Ok(false),
                _ => Err(answer.refusal().await.into()),
            }
        })
        .await
}

/// A blob that goes up.
pub(super) struct Upload<'a> {
    pub(super) client: &'a Client,
    pub(super) repository: &'a Repository,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The bytes, which yield an error when they are not of the digest and size.
    pub(super) content: &'a dyn Content,
}

impl Upload<'_> {
    /// Sends the blob.
    ///
    /// # Errors
    /// Those of reading the bytes before those of the registry, since they cause those.
    pub(super) fn run(&self, meter: &dyn Meter) -> Result<(), WriteError> {
        let mut failed = 0;
        let mut shown = 0;
        loop {
            let location = self.client.wait(self.begin())?;
            let Err(failure) = self.send(location, meter, &mut shown)? else { return Ok(()) };
            let again = async {
                self.client.pace().wait_after(failure, &mut failed).await?;
                // The blob may have arrived, and only the answer have been lost.
                is_there(self.client, self.repository, self.digest).await
            };
            if self.client.wait(again)? {
                return Ok(());
            }
        }
    }

    /// Asks the registry where the bytes shall go.
    async fn begin(&self) -> Result<Url, RegistryError> {
        let client = self.client;
        let call =
            client.call(Method::POST, self.repository, "blobs/uploads/", Right::Push).await?;
        client
            .pace()
            .persist(async || {
                let answer = client.attempt(&call).await?;
                if answer.status.as_u16() != 202 {
                    return Err(answer.refusal().await.into());
                }
                let location =
                    answer.header(&LOCATION).ok_or_else(|| answer.no_sense("no Location"))?;
                let mut url = redirect::resolve(&answer.url, location)?;
                url.query_pairs_mut().append_pair("digest", &self.digest.to_string());
                Ok(url)
            })
            .await
    }

    /// Sends the bytes to `location`, once.
    fn send(
        &self,
        location: Url,
        meter: &dyn Meter,
        shown: &mut u64,
    ) -> io::Result<Result<(), Failure>> {
        let mut reader = self.content.open()?;
        let (sender, receiver) = channel(WAITING);
        thread::scope(|scope| {
            let sending = scope.spawn(|| self.client.wait(self.put(location, receiver)));
            let mut advance = move |position: u64| {
                // What goes again was shown already.
                meter.advance(position.saturating_sub(*shown));
                *shown = position.max(*shown);
            };
            self.feed(&mut *reader, sender, &sending, &mut advance)?;
            Ok(sending.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Reads chunks and gives them to the connection, until they end or it does.
    fn feed<T>(
        &self,
        mut reader: &mut dyn Read,
        sender: Sender<Bytes>,
        sending: &ScopedJoinHandle<'_, T>,
        advance: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        let mut position = 0;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            (&mut reader).take(CHUNK as u64).read_to_end(&mut chunk)?;
            if chunk.is_empty() {
                return Ok(());
            }
            position += chunk.len() as u64;
            let mut chunk = Bytes::from(chunk);
            loop {
                if sending.is_finished() {
                    return Ok(());
                }
                match self.client.wait(sender.send_timeout(chunk, LOOK)) {
                    Ok(()) => break,
                    Err(SendTimeoutError::Closed(_)) => return Ok(()),
                    Err(SendTimeoutError::Timeout(unsent)) => chunk = unsent,
                }
            }
            advance(position);
        }
    }

    /// Makes the request whose body `receiver` yields.
    async fn put(&self, location: Url, receiver: Receiver<Bytes>) -> Result<(), Failure> {
        let client = self.client;
        let mut call = client.call(Method::PUT, self.repository, "", Right::Push).await?;
        call.url = location;
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let chunks = stream::unfold((receiver, count), async |(mut receiver, count)| {
            let chunk: Bytes = receiver.recv().await?;
            count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Some((Ok::<_, io::Error>(chunk), (receiver, count)))
        });
        let body = Body::wrap_stream(chunks);
        let payload = Payload::Stream { body, len: self.size, taken };
        let answer = client.attempt_stream(&call, payload).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(()),
            // The registry has forgotten the upload.
            404 => Err(Failure::passing(answer.refusal().await, None)),
            _ => Err(answer.refusal().await.into()),
        }
    }
}
