//! Blobs on their way down: a reader that goes on where a broken connection left off.
//!
//! It checks only the length of the bytes; its caller checks the digest.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};

use super::RegistryError;
use super::client::{Client, Right};
use crate::registry::http::answer::Answer;
use crate::registry::http::patience::Gauge;
use crate::registry::http::retry::Failure;
use crate::{Content, Descriptor, Digest, Repository};

/// A blob in a registry.
#[derive(Clone)]
pub(super) struct RemoteBlob {
    client: Arc<Client>,
    repository: Repository,
    digest: Digest,
    size: u64,
    /// How long it may take, where it is a document.
    limit: Option<Duration>,
}

impl RemoteBlob {
    /// Names a blob. It keeps none of a descriptor's own URLs.
    pub(super) fn new(
        client: Arc<Client>,
        repository: Repository,
        descriptor: &Descriptor,
    ) -> Self {
        Self { client, repository, digest: descriptor.digest, size: descriptor.size, limit: None }
    }

    /// Returns the same blob, which is a document and has to come within the time for one.
    pub(super) fn for_document(self) -> Self {
        Self { limit: Some(self.client.pace().document), ..self }
    }

    /// Asks for the bytes from `position` on. Returns `None` where the blob ends there.
    async fn request(&self, position: u64) -> Result<Option<Body>, Failure> {
        let place = format!("blobs/{}", self.digest);
        let client = &self.client;
        let mut call = client.call(Method::GET, &self.repository, &place, Right::Pull).await?;
        if position > 0 {
            let range = format!("bytes={position}-");
            call.headers.insert(RANGE, HeaderValue::from_str(&range).expect("it is plain text"));
        }
        let answer = client.attempt(&call).await?;
        match answer.status.as_u16() {
            // Not every server knows ranges: it may send the known bytes again.
            200 => Ok(Some(Body { answer, skip: position, is_a_repetition: position > 0 })),
            206 if position > 0 && starts_at(&answer, position) => {
                Ok(Some(Body { answer, skip: 0, is_a_repetition: false }))
            }
            206 => Err(answer.no_sense("another part than was asked for").into()),
            416 if position > 0 => Ok(None),
            404 => {
                let reference = format!("{}@{}", self.repository, self.digest);
                let said = answer.complaint().await;
                Err(RegistryError::NotFound { reference, said }.into())
            }
            _ => Err(answer.refusal().await.into()),
        }
    }
}

impl Content for RemoteBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Download {
            blob: self.clone(),
            body: None,
            chunk: Bytes::new(),
            position: 0,
            gauge: Gauge::new(self.client.pace().least_rate),
            end: self.limit.map(|limit| Instant::now() + limit),
            failed: 0,
            gained: 0,
            ended: false,
        }))
    }
}

/// Tells whether a part of the blob begins at `position`. RFC 9110, section 14.4.
fn starts_at(answer: &Answer, position: u64) -> bool {
    let start = answer
        .header(&CONTENT_RANGE)
        .and_then(|value| value.trim().strip_prefix("bytes "))
        .and_then(|range| range.split_once('-'))
        .and_then(|(start, _)| start.trim().parse::<u64>().ok());
    start == Some(position)
}

/// The body of an answer, whose first `skip` bytes are known already.
struct Body {
    answer: Answer,
    skip: u64,
    /// Whether it began with known bytes.
    is_a_repetition: bool,
}

impl Body {
    /// Returns the next unknown bytes, or nothing at the end.
    async fn next(&mut self, gauge: &mut Gauge) -> Result<Option<Bytes>, Failure> {
        loop {
            let begun = Instant::now();
            let Some(mut chunk) = self.answer.chunk().await? else { return Ok(None) };
            if !gauge.count(begun.elapsed(), chunk.len() as u64) {
                return Err(self.answer.too_slow());
            }
            let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
            self.skip -= known as u64;
            let fresh = chunk.split_off(known);
            if !fresh.is_empty() {
                return Ok(Some(fresh));
            }
        }
    }
}

/// Reads a blob, through as many connections as it takes.
struct Download {
    blob: RemoteBlob,
    body: Option<Body>,
    /// Bytes that have come and were not read yet.
    chunk: Bytes,
    /// How many bytes have come.
    position: u64,
    /// How fast it comes.
    gauge: Gauge,
    /// When all of it has to be there.
    end: Option<Instant>,
    /// How many connections have failed since enough bytes came.
    failed: u32,
    /// How many bytes have come since then.
    gained: u64,
    ended: bool,
}

impl Download {
    /// Waits for more bytes, or for the end, as long as there is time.
    async fn advance_in_time(&mut self) -> Result<(), RegistryError> {
        let (Some(end), Some(limit)) = (self.end, self.blob.limit) else {
            return self.advance().await;
        };
        let request = format!("the request for blob {}", self.blob.digest);
        match tokio::time::timeout_at(end.into(), self.advance()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(RegistryError::TooLate { request, limit }),
        }
    }

    /// Waits for more bytes, or for the end.
    async fn advance(&mut self) -> Result<(), RegistryError> {
        loop {
            let failure = match self.step().await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            self.body = None;
            self.blob.client.pace().wait_after(failure, &mut self.failed).await?;
        }
    }

    async fn step(&mut self) -> Result<(), Failure> {
        let body = match &mut self.body {
            Some(body) => body,
            none => match self.blob.request(self.position).await? {
                Some(body) => none.insert(body),
                None => {
                    self.ended = true;
                    return Ok(());
                }
            },
        };
        match body.next(&mut self.gauge).await? {
            Some(mut chunk) => {
                // One byte too many passes, so that the caller, which checks the length, sees it.
                let most = (self.blob.size - self.position.min(self.blob.size)).saturating_add(1);
                chunk.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                self.position += chunk.len() as u64;
                self.ended = self.position > self.blob.size;
                self.gained += chunk.len() as u64;
                // A server that begins anew each time may do so for ever.
                if self.gained >= self.blob.client.pace().progress && !body.is_a_repetition {
                    (self.failed, self.gained) = (0, 0);
                }
                self.chunk = chunk;
            }
            None if self.position < self.blob.size => {
                let reason = "it ended too soon";
                return Err(Failure::passing(body.answer.no_sense(reason), None));
            }
            None => self.ended = true,
        }
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() && !self.ended {
            let client = self.blob.client.clone();
            client.wait(self.advance_in_time()).map_err(RegistryError::into_io)?;
        }
        let count = self.chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
