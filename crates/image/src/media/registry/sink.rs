//! A registry as the sink of an image.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use super::RegistryError;
use super::client::{Client, Right};
use super::source::ACCEPTED;
use crate::registry::http::retry::Failure;
use crate::registry::upload::monolithic::{Upload, has, is_there};
use crate::registry::upload::mount::mount;
use crate::registry::upload::streamed::StreamedBlob;
use crate::{
    Content, Damage, Descriptor, Digest, Family, Image, Layer, LayerForm, MAX_MANIFEST_BYTES,
    ManifestError, Outgoing, Progress, Quiet, RawManifest, Reference, Repository, Sink, Stage,
    StreamedUpload, WriteError,
};

/// How many blobs the sink asks for at once.
const QUESTIONS: usize = 8;

/// The family of the manifest that an image without one gets.
const FAMILY: Family = Family::Docker;

/// A place in a registry for an image.
pub(super) struct RegistrySink {
    client: Arc<Client>,
    reference: Reference,
    /// Blobs that the registry lacks, as it has said.
    missing: Mutex<HashSet<Digest>>,
}

impl RegistrySink {
    pub(super) fn new(client: Arc<Client>, reference: Reference) -> Self {
        Self { client, reference, missing: Mutex::default() }
    }

    /// Tells whether a blob is there. It asks only once for a blob that was not.
    fn is_there(&self, digest: Digest, size: u64) -> Result<bool, RegistryError> {
        if self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest) {
            return Ok(false);
        }
        self.client.wait(is_there(&self.client, self.reference.repository(), digest, size))
    }

    fn upload<'a>(&'a self, digest: Digest, size: u64, content: &'a dyn Content) -> Upload<'a> {
        let repository = self.reference.repository();
        Upload { client: &self.client, repository, digest, size, content }
    }

    /// Puts the config, and returns the manifest to put after it.
    fn put_config(&self, image: &Image) -> Result<RawManifest, WriteError> {
        let made;
        let manifest = match &image.manifest {
            Some(kept) => kept,
            None => {
                made = image.clone().with_manifest(FAMILY)?.manifest;
                made.as_ref().expect("it was just made")
            }
        };
        let (digest, size) = (image.id(), image.config.len() as u64);
        if !self.is_there(digest, size)? {
            self.upload(digest, size, &image.config).run(&Quiet)?;
        }
        Ok(manifest.clone())
    }

    /// Puts a manifest or index under `name`, a tag or its digest. Tells whether the registry states that
    /// it has stored these bytes.
    ///
    /// OCI distribution specification, "Pushing manifests"; Docker's first registries answer 202.
    fn put_manifest(&self, raw: &RawManifest, name: &str) -> Result<bool, RegistryError> {
        let client = &self.client;
        client.wait(async {
            let repository = self.reference.repository();
            let place = format!("manifests/{name}");
            let mut call = client.call(Method::PUT, repository, &place, Right::Push).await?;
            let media_type = HeaderValue::from_str(raw.media_type().as_str())
                .map_err(|_| ManifestError::MediaType(raw.media_type().clone()))?;
            call.headers.insert(CONTENT_TYPE, media_type);
            call.body = Bytes::copy_from_slice(raw.bytes());
            call.transport
                .pace()
                .persist(async || {
                    let answer = client.attempt(&call).await?;
                    if !matches!(answer.status.as_u16(), 201 | 202) {
                        return Err(answer.not_yes().await.into());
                    }
                    Ok(answer.vouches_for(raw.digest())?)
                })
                .await
        })
    }

    /// Asks the registry for a manifest or index that it has stored, and compares all bytes. A missing
    /// one may only be late.
    fn read_back(&self, raw: &RawManifest) -> Result<(), RegistryError> {
        let client = &self.client;
        let digest = raw.digest();
        let bytes = client.wait(async {
            let repository = self.reference.repository();
            let place = format!("manifests/{digest}");
            let mut call = client.call(Method::GET, repository, &place, Right::Push).await?;
            call.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
            call.transport
                .pace()
                .persist(async || {
                    let answer = client.attempt(&call).await?;
                    match answer.status.as_u16() {
                        200 => answer.body(MAX_MANIFEST_BYTES).await,
                        404 => Err(Failure::passing(not_stored(digest), None)),
                        _ => Err(answer.refusal().await.into()),
                    }
                })
                .await
        })?;
        match bytes == raw.bytes() {
            true => Ok(()),
            false => Err(Damage::Digest { expected: digest, found: Digest::of(&bytes) }.into()),
        }
    }

    /// Gives a manifest or index the name that the reference says, and checks that the registry has it.
    fn name(&self, raw: &RawManifest) -> Result<Descriptor, RegistryError> {
        let digest = raw.digest();
        match (self.reference.tag(), self.reference.digest()) {
            (_, Some(wanted)) if wanted != digest => {
                return Err(RegistryError::OtherDigest { wanted, has: digest });
            }
            (Some(tag), _) => self.put_manifest(raw, tag)?,
            (None, _) => self.put_manifest(raw, &digest.to_string())?,
        };
        self.read_back(raw)?;
        Ok(raw.descriptor())
    }

    /// Puts a manifest under its digest alone, where nobody will look for it by a tag.
    fn put_nameless(&self, raw: &RawManifest) -> Result<(), RegistryError> {
        let place = format!("manifests/{}", raw.digest());
        if self.put_manifest(raw, &raw.digest().to_string())? {
            return Ok(());
        }
        let (client, repository) = (&self.client, self.reference.repository());
        let size = raw.bytes().len() as u64;
        match client.wait(has(client, repository, &place, raw.digest(), size))? {
            true => Ok(()),
            false => Err(not_stored(raw.digest())),
        }
    }
}

fn not_stored(manifest: Digest) -> RegistryError {
    RegistryError::NotStored { what: format!("manifest {manifest}") }
}

impl Sink for RegistrySink {
    fn layer_form(&self) -> LayerForm {
        LayerForm::Packed(FAMILY)
    }

    fn present(&self, image: &Image) -> Result<Vec<bool>, WriteError> {
        let sized = |layer: &Layer| layer.digest().map(|digest| (digest, layer.size()));
        let digests: HashMap<Digest, u64> = image.layers.iter().filter_map(sized).collect();
        let (client, repository) = (&*self.client, self.reference.repository());
        let answers: HashMap<Digest, bool> = client.wait(
            stream::iter(digests)
                .map(async |(digest, size)| {
                    let there = is_there(client, repository, digest, size).await?;
                    Ok::<_, RegistryError>((digest, there))
                })
                .buffer_unordered(QUESTIONS)
                .try_collect(),
        )?;
        let missing = answers.iter().filter(|(_, there)| !**there).map(|(digest, _)| *digest);
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).extend(missing);
        let there = |layer: &Layer| layer.digest().is_some_and(|digest| answers[&digest]);
        Ok(image.layers.iter().map(there).collect())
    }

    fn mount(&self, layer: &Layer, from: &Repository) -> Result<bool, WriteError> {
        let to = self.reference.repository();
        let Some(digest) = layer.digest() else { return Ok(false) };
        if from.registry() != to.registry() || from == to {
            return Ok(false);
        }
        let is_mounted = self.client.wait(mount(&self.client, to, from, digest, layer.size()))?;
        if is_mounted {
            self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest);
        }
        Ok(is_mounted)
    }

    fn put(&self, layer: &Layer, progress: &dyn Progress) -> Result<(), WriteError> {
        let digest = layer.digest().ok_or_else(|| ManifestError::LayerNotStored(layer.name()))?;
        if self.is_there(digest, layer.size())? {
            progress.present(&layer.name());
            return Ok(());
        }
        let meter = progress.begin(Stage::Upload, &layer.name(), Some(layer.size()));
        self.upload(digest, layer.size(), &Stored(layer)).run(&*meter)?;
        meter.done();
        Ok(())
    }

    fn upload_streaming<'s>(
        &'s self,
        name: &str,
        bytes: &dyn Content,
        progress: &dyn Progress,
    ) -> Option<Box<dyn StreamedUpload + 's>> {
        let meter = progress.begin(Stage::Upload, name, None);
        match StreamedBlob::send(&self.client, self.reference.repository(), bytes, &*meter) {
            Ok(sent) => {
                meter.done();
                Some(Box::new(sent))
            }
            Err(error) => {
                tracing::debug!(%error, "nothing was streamed");
                None
            }
        }
    }

    fn put_child(&self, image: &Outgoing) -> Result<(), WriteError> {
        let manifest = self.put_config(image)?;
        Ok(self.put_nameless(&manifest)?)
    }

    fn commit(&self, image: &Outgoing) -> Result<Descriptor, WriteError> {
        let manifest = self.put_config(image)?;
        Ok(self.name(&manifest)?)
    }

    fn commit_index(&self, index: &RawManifest) -> Result<Descriptor, WriteError> {
        Ok(self.name(index)?)
    }
}

/// A layer's bytes, checked against the digest that the registry checks too.
struct Stored<'a>(&'a Layer);

impl Content for Stored<'_> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.0.open_stored()
    }
}
