//! A registry in memory, in which a stranger can change everything.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_image::{Content, Damage, Descriptor, Digest, Image, RawManifest, ReadError, Source};
use serde_json::{Value, json};

/// Blobs and manifests by digest, and the root that a tag names.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) root: Vec<u8>,
}

impl Memory {
    /// Stores bytes, and returns their descriptor.
    pub(crate) fn put(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.blobs.insert(digest, bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Stores an image with its layers, and returns its manifest's bytes.
    pub(crate) fn put_image(&mut self, image: &Image) -> Vec<u8> {
        for layer in &image.layers {
            let mut bytes = Vec::new();
            layer.content().open().unwrap().read_to_end(&mut bytes).unwrap();
            self.blobs.insert(Digest::of(&bytes), bytes);
        }
        self.blobs.insert(image.id(), image.config.clone());
        let manifest = image.manifest.as_ref().unwrap().bytes().to_vec();
        self.blobs.insert(Digest::of(&manifest), manifest.clone());
        manifest
    }

    /// Takes all blobs of another registry.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.blobs.extend(other.blobs.clone());
    }

    pub(crate) fn blob(&self, digest: &Value) -> Vec<u8> {
        self.blobs[&digest.as_str().unwrap().parse().unwrap()].clone()
    }

    /// The root as text, for the message of a test that fails.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.root).into_owned()
    }

    pub(crate) fn source(&self) -> Arc<dyn Source> {
        Arc::new(self.clone())
    }
}

/// The content of a blob that is not there.
struct Missing;

impl Content for Missing {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Source for Memory {
    fn root(&self) -> Result<RawManifest, ReadError> {
        Ok(RawManifest::recognise(None, self.root.clone())?)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ReadError> {
        let bytes = self.blobs.get(&descriptor.digest).ok_or(io::ErrorKind::NotFound);
        let bytes = bytes.map_err(io::Error::from)?;
        if bytes.len() as u64 != descriptor.size {
            let (what, expected) = (descriptor.digest.to_string(), descriptor.size);
            return Err(io::Error::from(Damage::TooLong { what, expected }).into());
        }
        let served = Some(descriptor.media_type.as_str());
        Ok(RawManifest::recognise(served, bytes.clone())?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        match self.blobs.get(&descriptor.digest) {
            Some(bytes) => Arc::new(bytes.clone()),
            None => Arc::new(Missing),
        }
    }
}

/// Walks an error and its causes, and the errors inside I/O errors.
pub(crate) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> + 'e {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}
