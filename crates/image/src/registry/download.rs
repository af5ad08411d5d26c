//! Blobs on their way down: a reader that goes on where a broken connection left off.
//!
//! What comes is not checked here beyond its length; whoever reads checks the digest.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};

use super::RegistryError;
use super::client::{Client, Right};
use super::retry::Failure;
use super::transport::Answer;
use crate::{Content, Descriptor, Digest, Repository};

/// A blob in a registry.
#[derive(Clone)]
pub(super) struct RemoteBlob {
    client: Arc<Client>,
    repository: Repository,
    digest: Digest,
    size: u64,
}

impl RemoteBlob {
    /// Names a blob. Of a descriptor's own URLs nothing is kept.
    pub(super) fn new(
        client: Arc<Client>,
        repository: Repository,
        descriptor: &Descriptor,
    ) -> Self {
        Self { client, repository, digest: descriptor.digest, size: descriptor.size }
    }

    /// Asks for the bytes from `position` on. `None`: the blob ends there.
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
            // Not every server knows ranges: what is known already comes again.
            200 => Ok(Some(Body { answer, skip: position })),
            206 if position > 0 && starts_at(&answer, position) => {
                Ok(Some(Body { answer, skip: 0 }))
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
            failed: 0,
            ended: false,
        }))
    }
}

/// Tells whether a part of the blob begins where it should. RFC 9110, section 14.4.
fn starts_at(answer: &Answer, position: u64) -> bool {
    let start = answer
        .header(&CONTENT_RANGE)
        .and_then(|value| value.trim().strip_prefix("bytes "))
        .and_then(|range| range.split_once('-'))
        .and_then(|(start, _)| start.trim().parse::<u64>().ok());
    start == Some(position)
}

/// The body of an answer, of which the first `skip` bytes are known already.
struct Body {
    answer: Answer,
    skip: u64,
}

impl Body {
    /// Returns the next bytes that are not known, or nothing at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(mut chunk) = self.answer.chunk().await? {
            let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
            self.skip -= known as u64;
            let fresh = chunk.split_off(known);
            if !fresh.is_empty() {
                return Ok(Some(fresh));
            }
        }
        Ok(None)
    }
}

/// Reads a blob, through as many connections as it takes.
struct Download {
    blob: RemoteBlob,
    body: Option<Body>,
    /// What has come and was not read yet.
    chunk: Bytes,
    /// How much has come.
    position: u64,
    /// How many connections have failed since something came.
    failed: u32,
    ended: bool,
}

impl Download {
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
        match body.next().await? {
            Some(mut chunk) => {
                // One byte too many is let through, so that whoever checks the length sees it.
                let most = (self.blob.size - self.position.min(self.blob.size)).saturating_add(1);
                chunk.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                self.position += chunk.len() as u64;
                self.ended = self.position > self.blob.size;
                self.failed = 0;
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
            client.wait(self.advance()).map_err(RegistryError::into_io)?;
        }
        let count = self.chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
