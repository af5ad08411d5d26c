//! The digest of a tag, without the manifest.

use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderName, HeaderValue};

use super::client::{Client, Right};
use super::source::ACCEPTED;
use super::{Registry, RegistryError};
use crate::{Digest, ReadError, Reference};

impl Registry {
    /// Returns the digest of the manifest or index that `reference`, a name in this registry, names;
    /// `None` if there is no such name.
    ///
    /// It costs one request, and another one where the registry does not tell the digest in a header. OCI
    /// distribution specification, "Checking if content exists in the registry".
    ///
    /// # Errors
    /// The registry gives no answer, or none that makes sense.
    pub fn digest(&self, reference: &Reference) -> Result<Option<Digest>, ReadError> {
        match self.client.wait(ask(&self.client, reference))? {
            Asked::Digest(digest) => Ok(Some(digest)),
            Asked::NotThere => Ok(None),
            Asked::Untold => Ok(Some(self.source(reference).root()?.digest())),
        }
    }
}

enum Asked {
    Digest(Digest),
    NotThere,
    /// It is there, and the registry does not state its digest.
    Untold,
}

async fn ask(client: &Client, reference: &Reference) -> Result<Asked, RegistryError> {
    let name = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.expect("a reference has a tag or a digest").to_owned(),
    };
    let (repository, place) = (reference.repository(), format!("manifests/{name}"));
    let mut call = client.call(Method::HEAD, repository, &place, Right::Pull).await?;
    call.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
    client
        .pace()
        .persist(async || {
            let answer = client.attempt(&call).await?;
            match answer.status.as_u16() {
                200 => {}
                404 => return Ok(Asked::NotThere),
                _ => return Err(answer.refusal().await.into()),
            }
            let told = answer.header(&HeaderName::from_static("docker-content-digest"));
            Ok(told.and_then(|text| text.parse().ok()).map_or(Asked::Untold, Asked::Digest))
        })
        .await
}
