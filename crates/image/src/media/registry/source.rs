//! A registry as the source of an image.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use super::RegistryError;
use super::client::{Client, Right};
use super::download::RemoteBlob;
use crate::registry::http::retry::Failure;
use crate::{
    Content, Damage, Descriptor, Digest, MAX_MANIFEST_BYTES, RawManifest, ReadError, Reference,
    Source,
};

/// Every form of manifest and index that is read.
pub(super) const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// The image or index that one reference names in a registry.
pub(super) struct RegistrySource {
    client: Arc<Client>,
    reference: Reference,
}

impl RegistrySource {
    pub(super) fn new(client: Arc<Client>, reference: Reference) -> Self {
        Self { client, reference }
    }

    /// Fetches a manifest, and checks it if it is fetched by digest.
    fn fetch(&self, name: &str, digest: Option<Digest>) -> Result<RawManifest, RegistryError> {
        let client = &self.client;
        let (served, bytes) = client.wait(async {
            let repository = self.reference.repository();
            let place = format!("manifests/{name}");
            let mut call = client.call(Method::GET, repository, &place, Right::Pull).await?;
            call.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
            call.transport
                .pace()
                .persist(async || {
                    let answer = client.attempt(&call).await?;
                    match answer.status.as_u16() {
                        200 => {}
                        404 => return Err(self.not_found(name, answer.complaint().await)),
                        _ => return Err(answer.refusal().await.into()),
                    }
                    let served = answer.header(&CONTENT_TYPE).map(ToOwned::to_owned);
                    Ok((served, answer.body(MAX_MANIFEST_BYTES).await?))
                })
                .await
        })?;
        if let Some(expected) = digest {
            let found = Digest::of(&bytes);
            if found != expected {
                return Err(Damage::Digest { expected, found }.into());
            }
        }
        Ok(RawManifest::recognise(served.as_deref(), bytes)?)
    }

    fn remote(&self, descriptor: &Descriptor) -> RemoteBlob {
        let repository = self.reference.repository().clone();
        RemoteBlob::new(self.client.clone(), repository, descriptor)
    }

    fn not_found(&self, name: &str, said: super::Complaint) -> Failure {
        let reference = match name.parse() {
            Ok(digest) => self.reference.at(digest).to_string(),
            Err(_) => self.reference.to_string(),
        };
        RegistryError::NotFound { reference, said }.into()
    }
}

impl Source for RegistrySource {
    fn root(&self) -> Result<RawManifest, ReadError> {
        let digest = self.reference.digest();
        let name = match (digest, self.reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.expect("a reference has a tag or a digest").to_owned(),
        };
        Ok(self.fetch(&name, digest)?)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ReadError> {
        let (digest, expected) = (descriptor.digest, descriptor.size);
        let raw = self.fetch(&digest.to_string(), Some(digest))?;
        let found = raw.bytes().len() as u64;
        let what = || format!("manifest {digest}");
        let damage = match found.cmp(&expected) {
            std::cmp::Ordering::Equal => return Ok(raw),
            std::cmp::Ordering::Less => Damage::TooShort { what: what(), expected, found },
            std::cmp::Ordering::Greater => Damage::TooLong { what: what(), expected },
        };
        Err(RegistryError::from(damage).into())
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        Arc::new(self.remote(descriptor))
    }

    fn config(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        Arc::new(self.remote(descriptor).for_document())
    }
}
