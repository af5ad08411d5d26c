//! Blobs that are sent ahead: while they are still made, and before their digest is known.
//!
//! This is how Docker uploads all of its layers: a `PATCH` that streams, and a `PUT` that says the
//! digest. It is tried once; whatever goes wrong, the blob is put again as one that is whole, and it is
//! there that errors are told and attempts are counted.

use std::io;

use bytes::Bytes;
use reqwest::header::LOCATION;
use reqwest::{Method, Url};

use super::client::{Client, Right};
use super::retry::Failure;
use super::{RegistryError, redirect, stream, upload};
use crate::{Ahead, Content, Layer, Meter, Repository};

/// A blob that the registry has, and that has no digest there.
pub(super) struct SentAhead<'a> {
    client: &'a Client,
    repository: &'a Repository,
    location: Url,
}

impl<'a> SentAhead<'a> {
    /// Sends `bytes` to their end.
    ///
    /// # Errors
    /// Those of whoever makes them, and of the registry.
    pub(super) fn send(
        client: &'a Client,
        repository: &'a Repository,
        bytes: &dyn Content,
        meter: &dyn Meter,
    ) -> io::Result<Self> {
        let location = client.wait(upload::begin(client, repository)).map_err(io::Error::other)?;
        let call = client.wait(client.call(Method::PATCH, repository, "", Right::Push));
        let mut call = call.map_err(io::Error::other)?;
        call.url = location;
        let mut before = 0;
        let mut advance = |position: u64| {
            meter.advance(position - before);
            before = position;
        };
        let answer = stream::send(client, call, &mut *bytes.open()?, None, &mut advance)?;
        let location = client.wait(async {
            let answer = answer.map_err(Failure::into_error)?;
            if answer.status.as_u16() != 202 {
                return Err(answer.refusal().await);
            }
            let location =
                answer.header(&LOCATION).ok_or_else(|| answer.no_sense("no Location"))?;
            redirect::resolve(&answer.url, location)
        });
        Ok(Self { client, repository, location: location.map_err(io::Error::other)? })
    }

    async fn name(&self, layer: &Layer) -> Result<bool, RegistryError> {
        let Some(digest) = layer.digest() else { return Ok(false) };
        let mut call = self.client.call(Method::PUT, self.repository, "", Right::Push).await?;
        call.url = self.location.clone();
        call.url.query_pairs_mut().append_pair("digest", &digest.to_string());
        call.body = Bytes::new();
        let answer = self.client.attempt(&call).await.map_err(Failure::into_error)?;
        match answer.status.as_u16() {
            200..=299 => Ok(true),
            _ => Err(answer.refusal().await),
        }
    }
}

impl Ahead for SentAhead<'_> {
    fn settle(self: Box<Self>, layer: &Layer) -> bool {
        self.client.wait(self.name(layer)).unwrap_or_else(|error| {
            tracing::debug!(%error, "what was sent ahead is sent again");
            false
        })
    }
}
