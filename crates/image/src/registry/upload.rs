//! Blobs on their way up: each in one request, from the beginning whenever that breaks.

use std::io;

use reqwest::header::LOCATION;
use reqwest::{Method, Url};

use super::client::{Client, Right};
use super::retry::Failure;
use super::{RegistryError, redirect, stream};
use crate::{Content, Digest, Meter, Repository, WriteError};

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

/// Asks the registry where the bytes of a blob shall go.
pub(super) async fn begin(client: &Client, repository: &Repository) -> Result<Url, RegistryError> {
    let call = client.call(Method::POST, repository, "blobs/uploads/", Right::Push).await?;
    client
        .pace()
        .persist(async || {
            let answer = client.attempt(&call).await?;
            if answer.status.as_u16() != 202 {
                return Err(answer.refusal().await.into());
            }
            let location =
                answer.header(&LOCATION).ok_or_else(|| answer.no_sense("no Location"))?;
            Ok(redirect::resolve(&answer.url, location)?)
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
            let location = self.client.wait(begin(self.client, self.repository))?;
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

    /// Sends the bytes to `location`, once.
    fn send(
        &self,
        location: Url,
        meter: &dyn Meter,
        shown: &mut u64,
    ) -> io::Result<Result<(), Failure>> {
        let mut reader = self.content.open()?;
        let mut advance = |position: u64| {
            // What goes again was shown already.
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
        let answer = stream::send(self.client, call, &mut *reader, Some(self.size), &mut advance)?;
        Ok(self.client.wait(async {
            let answer = answer?;
            match answer.status.as_u16() {
                200..=299 => Ok(()),
                // The registry has forgotten the upload.
                404 => Err(Failure::passing(answer.refusal().await, None)),
                _ => Err(answer.refusal().await.into()),
            }
        }))
    }
}
