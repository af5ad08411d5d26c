//! Streaming uploads: of blobs that are still being made, and whose digest is not known yet.
//!
//! Docker uploads all of its layers so: a `PATCH` that streams, and a `PUT` that states the digest.
//! This module tries it once. After any error the blob is put again as a whole; that upload reports
//! errors and counts attempts.

use reqwest::header::LOCATION;
use reqwest::{Method, Url};

use super::{body, monolithic};
use crate::registry::RegistryError;
use crate::registry::client::{Call, Client, Right};
use crate::registry::http::redirect;
use crate::registry::http::retry::Failure;
use crate::{Content, Layer, Meter, Repository, StreamedUpload, WriteError};

/// A blob that the registry has received and that has no digest there yet.
pub(crate) struct StreamedBlob<'a> {
    client: &'a Client,
    repository: &'a Repository,
    location: Url,
}

impl<'a> StreamedBlob<'a> {
    /// Sends `bytes` to their end. If they break off, it tells the registry to forget them.
    ///
    /// # Errors
    /// Errors of the bytes, and of the registry.
    pub(crate) fn send(
        client: &'a Client,
        repository: &'a Repository,
        bytes: &dyn Content,
        meter: &dyn Meter,
    ) -> Result<Self, WriteError> {
        let location = client.wait(monolithic::begin(client, repository))?;
        let mut upload = Self { client, repository, location };
        let call = client.wait(upload.call(Method::PATCH))?;
        let mut before = 0;
        let mut advance = |position: u64| {
            meter.advance(position - before);
            before = position;
        };
        let sent = bytes
            .open()
            .and_then(|mut reader| body::send(client, call, &mut *reader, None, &mut advance));
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                client.wait(upload.cancel());
                return Err(error.into());
            }
        };
        upload.location = client.wait(async {
            let answer = answer.map_err(Failure::into_error)?;
            if answer.status.as_u16() != 202 {
                return Err(answer.not_yes().await);
            }
            let location =
                answer.header(&LOCATION).ok_or_else(|| answer.no_sense("no Location"))?;
            redirect::resolve(&answer.url, location)
        })?;
        Ok(upload)
    }

    async fn call(&self, method: Method) -> Result<Call, RegistryError> {
        let mut call = self.client.call(method, self.repository, "", Right::Push).await?;
        call.url = self.location.clone();
        Ok(call)
    }

    async fn name(&self, layer: &Layer) -> Result<bool, RegistryError> {
        let Some(digest) = layer.digest() else { return Ok(false) };
        let mut call = self.call(Method::PUT).await?;
        call.url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let answer = self.client.attempt(&call).await.map_err(Failure::into_error)?;
        monolithic::took(self.client, self.repository, answer, digest, layer.size()).await
    }

    /// Cancels the upload. It passes over errors, since registries forget uploads in time.
    async fn cancel(&self) {
        if let Ok(call) = self.call(Method::DELETE).await {
            let _ = self.client.attempt(&call).await;
        }
    }
}

impl StreamedUpload for StreamedBlob<'_> {
    fn settle(self: Box<Self>, layer: &Layer) -> bool {
        self.client.wait(self.name(layer)).unwrap_or_else(|error| {
            tracing::debug!(%error, "what was streamed is sent again");
            false
        })
    }
}
