//! Answers: their head, their body within its bounds, and what they prove.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

use super::broken::{Broken, broken};
use super::retry::{Failure, Pace, is_passing, parse_retry_after};
use crate::registry::{Complaint, RegistryError, complaint};
use crate::{Damage, Digest};

/// An answer whose body has not been read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The URL that answered, after redirects.
    pub(crate) url: Url,
    /// Method and URL, to show to people.
    pub(crate) request: String,
    /// Whether the host that the request was made to answered, not one that it redirected to.
    pub(crate) at_home: bool,
    pub(super) registry: Arc<str>,
    pub(super) response: Response,
    pub(super) pace: Pace,
    /// When the body has to be there, where it is a document.
    pub(super) end: Instant,
}

/// A passing status, which becomes a failure once the body has been read.
pub(super) struct Passing {
    asked: Option<Duration>,
}

impl Passing {
    /// Reads the body.
    pub(super) async fn read(self, answer: Answer) -> Failure {
        Failure::passing(answer.refusal().await, self.asked)
    }
}

impl Answer {
    /// Returns a header that is plain text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the length that the head states of the body.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// Returns the error of an answer that does not follow the protocol.
    pub(crate) fn no_sense(&self, reason: &'static str) -> RegistryError {
        RegistryError::Protocol { request: self.request.clone(), reason }
    }

    /// Returns the failure of an answer that comes too slowly.
    pub(crate) fn too_slow(&self) -> Failure {
        broken(self.request.clone(), Broken::Slow, &self.pace)
    }

    /// Reads the next piece of the body, of any length.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let outcome = match tokio::time::timeout(self.pace.idle, self.response.chunk()).await {
            Ok(outcome) => outcome.map_err(Broken::Http),
            Err(_) => Err(Broken::Silent),
        };
        outcome.map_err(|error| broken(self.request.clone(), error, &self.pace))
    }

    /// Reads the next piece of a document.
    async fn part(&mut self) -> Result<Option<Bytes>, Failure> {
        let end = tokio::time::Instant::from_std(self.end);
        match tokio::time::timeout_at(end, self.chunk()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(broken(self.request.clone(), Broken::Late, &self.pace)),
        }
    }

    /// Reads the body whole, if it is no longer than `limit`.
    pub(crate) async fn body(mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.part().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(RegistryError::AnswerTooLong { request: self.request, limit }.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Reads the registry's words about a refusal.
    pub(crate) async fn complaint(mut self) -> Complaint {
        Complaint::parse(&self.drain().await)
    }

    /// Reads a body that is small and of little interest, so that the connection can be used again.
    pub(crate) async fn drain(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.part().await {
            if (body.len() + chunk.len()) as u64 > complaint::MAX_BODY {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        body
    }

    /// Checks the digest that the answer states, if any, against `digest`. Tells whether it states one.
    ///
    /// # Errors
    /// It states another one.
    pub(crate) fn vouches_for(&self, digest: Digest) -> Result<bool, RegistryError> {
        let stated = self.header(&HeaderName::from_static("docker-content-digest"));
        match stated.and_then(|text| text.parse::<Digest>().ok()) {
            None => Ok(false),
            Some(found) if found == digest => Ok(true),
            Some(found) => Err(Damage::Digest { expected: digest, found }.into()),
        }
    }

    /// Returns the error of an answer that does not confirm the request.
    pub(crate) async fn not_yes(self) -> RegistryError {
        match self.status.is_success() {
            true => self.no_sense("its status is not the one of a registry that did it"),
            false => self.refusal().await,
        }
    }

    /// Returns the error of an answer that refuses.
    pub(crate) async fn refusal(self) -> RegistryError {
        let (request, status, at_home) = (self.request.clone(), self.status.as_u16(), self.at_home);
        let host = self.registry.to_string();
        let said = self.complaint().await;
        match status {
            401 | 403 if at_home => RegistryError::Denied { host, said },
            _ => RegistryError::Status { request, status, said },
        }
    }

    /// Returns the failure that the status alone means, if another attempt may do better.
    pub(super) fn passing(&self) -> Option<Passing> {
        if !is_passing(self.status.as_u16()) {
            return None;
        }
        let now = SystemTime::now();
        let asked = self.header(&RETRY_AFTER).and_then(|value| parse_retry_after(value, now));
        Some(Passing { asked })
    }
}
