//! Blobs on their way up: each in one request, from the beginning after every break.
//!
//! A successful status alone does not prove that a blob is stored: a proxy that answers everything gives
//! it, too.

use std::io;

use reqwest::header::LOCATION;
use reqwest::{Method, Url};

use super::body;
use crate::registry::RegistryError;
use crate::registry::client::{Client, Right};
use crate::registry::http::answer::Answer;
use crate::registry::http::redirect;
use crate::registry::http::retry::Failure;
use crate::{Content, Digest, Meter, Repository, WriteError};

/// Tells whether `repository` has a blob of `size` bytes. An answer that shows neither its digest nor its
/// size does not prove that.
///
/// # Errors
/// The registry has something else under that digest; it cannot be reached, or fails.
pub(crate) async fn is_there(
    client: &Client,
    repository: &Repository,
    digest: Digest,
    size: u64,
) -> Result<bool, RegistryError> {
    let place = format!("blobs/{digest}");
    has(client, repository, &place, digest, size).await
}

/// Tells, as [`is_there`] does, whether the blob or manifest at `place` in a repository is there.
pub(crate) async fn has(
    client: &Client,
    repository: &Repository,
    place: &str,
    digest: Digest,
    size: u64,
) -> Result<bool, RegistryError> {
    let call = client.call(Method::HEAD, repository, place, Right::Push).await?;
    call.transport
        .pace()
        .persist(async || {
            let answer = client.attempt(&call).await?;
            match answer.status.as_u16() {
                200 => Ok(answer.vouches_for(digest)? || answer.length() == Some(size)),
                404 => Ok(false),
                _ => Err(answer.refusal().await.into()),
            }
        })
        .await
}

/// Asks the registry for the URL to which the bytes of a blob go.
pub(crate) async fn begin(client: &Client, repository: &Repository) -> Result<Url, RegistryError> {
    let call = client.call(Method::POST, repository, "blobs/uploads/", Right::Push).await?;
    call.transport
        .pace()
        .persist(async || {
            let answer = client.attempt(&call).await?;
            if answer.status.as_u16() != 202 {
                return Err(answer.not_yes().await.into());
            }
            let location =
                answer.header(&LOCATION).ok_or_else(|| answer.no_sense("no Location"))?;
            Ok(redirect::resolve(&answer.url, location)?)
        })
        .await
}

/// A blob that goes up.
pub(crate) struct Upload<'a> {
    pub(crate) client: &'a Client,
    pub(crate) repository: &'a Repository,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The bytes, which yield an error if their digest or size differs.
    pub(crate) content: &'a dyn Content,
}

impl Upload<'_> {
    /// Sends the blob.
    ///
    /// # Errors
    /// Errors of reading the bytes take precedence over those from the registry, since they cause these.
    pub(crate) fn run(&self, meter: &dyn Meter) -> Result<(), WriteError> {
        let mut failed = 0;
        let mut shown = 0;
        loop {
            let location = self.client.wait(begin(self.client, self.repository))?;
            let Err(failure) = self.send(location, meter, &mut shown)? else { return Ok(()) };
            let again = async {
                self.client.pace().wait_after(failure, &mut failed).await?;
                // The blob may have arrived, and only the answer have been lost.
                is_there(self.client, self.repository, self.digest, self.size).await
            };
            if self.client.wait(again)? {
                return Ok(());
            }
        }
    }

    /// Sends the bytes to `location`, once.
    fn send(
        &self,
        location: Url,
        meter: &dyn Meter,
        shown: &mut u64,
    ) -> io::Result<Result<(), Failure>> {
        let mut reader = self.content.open()?;
        let mut advance = |position: u64| {
            // Bytes that go again were shown already.
            meter.advance(position.saturating_sub(*shown));
            *shown = position.max(*shown);
        };
        let call = self.client.call(Method::PUT, self.repository, "", Right::Push);
        let mut call = match self.client.wait(call) {
            Ok(call) => call,
            Err(error) => return Ok(Err(error.into())),
        };
        call.url = location;
        call.url.query_pairs_mut().append_pair("digest", &self.digest.to_string());
        let answer = body::send(self.client, call, &mut *reader, Some(self.size), &mut advance)?;
        Ok(self.client.wait(async {
            let answer = answer?;
            // The registry has forgotten the upload.
            if answer.status.as_u16() == 404 {
                return Err(Failure::passing(answer.refusal().await, None));
            }
            let (digest, size) = (self.digest, self.size);
            match took(self.client, self.repository, answer, digest, size).await? {
                true => Ok(()),
                false => Err(RegistryError::NotStored { what: format!("blob {digest}") }.into()),
            }
        }))
    }
}

/// Tells whether the registry has all bytes of a blob, after it gave `answer` to them. If the answer does
/// not show its digest, it asks the registry.
///
/// OCI distribution specification, "Pushing blobs"; 204 is Docker's.
///
/// # Errors
/// Any other answer than that it was stored; another digest.
pub(crate) async fn took(
    client: &Client,
    repository: &Repository,
    answer: Answer,
    digest: Digest,
    size: u64,
) -> Result<bool, RegistryError> {
    if !matches!(answer.status.as_u16(), 201 | 204) {
        return Err(answer.not_yes().await);
    }
    if answer.vouches_for(digest)? {
        return Ok(true);
    }
    is_there(client, repository, digest, size).await
}
