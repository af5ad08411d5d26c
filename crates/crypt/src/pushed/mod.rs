//! Layers that were pushed before. Another image may get such a layer as it is, with its data key
//! wrapped again. Then the push does not compress, encrypt or send the layer.
//!
//! Somebody has to vouch that a blob, a data key and a diff ID belong together. The maker of a
//! [`PushedLayer`] decides whom to believe: a format believes an image that a passphrase
//! authenticates, [`Record`] this machine's own pushes. Nothing here asks a registry
//! whether a blob is there. `docs/formats/crypto-cli.md`, "Pushing again".

mod readers;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_image::{
    Compression, Content, Descriptor, DiffId, Digest, Family, Image, Layer, MediaType,
};
use zeroize::Zeroizing;

pub use readers::{Reader, Readers};
pub use record::{MAX_RECORD_BYTES, Record, RecordError, RecordKey, Remembered, Tagged};

/// The layers that can be pushed again as they are, by diff ID, and the configs of their images.
#[derive(Default)]
pub struct Pushed {
    layers: HashMap<DiffId, PushedLayer>,
    configs: HashMap<Digest, Vec<u8>>,
    private: BTreeSet<DiffId>,
}

/// A layer as it was pushed: its blob, and its data key, if it is encrypted.
#[derive(Clone)]
pub struct PushedLayer {
    /// The diff ID of the layer.
    pub diff_id: DiffId,
    /// The digest of the blob.
    pub digest: Digest,
    /// The length of the blob in bytes.
    pub size: u64,
    /// The compression before encryption.
    pub compression: Compression,
    /// The data key; `None` for a layer in clear.
    pub key: Option<LayerKey>,
}

/// The data key of a layer, and the values that its encryption needs beside the key.
#[derive(Clone)]
pub struct LayerKey {
    /// The name of the encryption. A format takes keys of its own encryption alone.
    pub encryption: String,
    /// The data key.
    pub key: Zeroizing<[u8; 32]>,
    /// The digest of the compressed layer before encryption, if it is known.
    pub digest: Option<Digest>,
    /// The nonce, if the blob does not hold it.
    pub nonce: Option<[u8; 16]>,
    /// The code that authenticates the ciphertext, if the blob does not hold it.
    pub hmac: Option<[u8; 32]>,
}

impl PushedLayer {
    /// Returns the blob as a layer that nobody can read: a caller can only ask where the blob is.
    pub fn blob(&self) -> Layer {
        self.elsewhere(self.descriptor(Family::Docker))
    }

    /// Returns the descriptor of the blob, without key data.
    pub fn descriptor(&self, family: Family) -> Descriptor {
        Descriptor::new(MediaType::layer(family, self.compression), self.digest, self.size)
    }

    /// Returns the layer that `descriptor` describes, whose bytes need not be sent again.
    pub fn elsewhere(&self, descriptor: Descriptor) -> Layer {
        let content = Arc::new(Elsewhere(self.digest));
        Layer::stored(descriptor, Some(self.diff_id), content)
    }

    /// Tells whether the layer was encrypted.
    pub fn is_private(&self) -> bool {
        self.key.is_some()
    }
}

impl Pushed {
    /// Adds a layer whose blob is where the push needs it. An earlier layer of the same diff ID
    /// stays.
    pub fn add(&mut self, layer: PushedLayer) {
        self.layers.entry(layer.diff_id).or_insert(layer);
    }

    /// Adds the config of an image, from before encryption.
    pub fn add_config(&mut self, config: Vec<u8>) {
        self.configs.insert(Digest::of(&config), config);
    }

    /// Notes layers that are private in an image that was pushed before, even if their blobs cannot
    /// be used.
    pub fn add_private(&mut self, diff_ids: impl IntoIterator<Item = DiffId>) {
        self.private.extend(diff_ids);
    }

    /// Returns the layers that were noted as private.
    pub fn private(&self) -> impl Iterator<Item = DiffId> {
        self.private.iter().copied()
    }

    /// Forgets layers, so that no push uses them as they are.
    pub fn forget(&mut self, diff_ids: &[DiffId]) {
        for diff_id in diff_ids {
            self.layers.remove(diff_id);
        }
    }

    /// Returns the diff IDs of the layers.
    pub fn diff_ids(&self) -> impl Iterator<Item = DiffId> {
        self.layers.keys().copied()
    }

    /// Returns the configs of the images, from before encryption, by their digests.
    pub fn configs(&self) -> &HashMap<Digest, Vec<u8>> {
        &self.configs
    }

    /// Returns the layer with a diff ID, as it was pushed.
    pub fn layer(&self, diff_id: DiffId) -> Option<&PushedLayer> {
        self.layers.get(&diff_id)
    }

    /// Returns the diff IDs of the layers of `image` that were pushed in clear and are `chosen` for
    /// encryption now, or the other way round.
    pub fn changed(&self, image: &Image, chosen: &BTreeSet<usize>) -> Vec<DiffId> {
        let is_changed = |(place, layer): (usize, &Layer)| {
            let diff_id = layer.diff_id()?;
            let pushed = self.layer(diff_id)?;
            (pushed.is_private() != chosen.contains(&place)).then_some(diff_id)
        };
        image.layers.iter().enumerate().filter_map(is_changed).collect()
    }
}

/// The bytes of a layer that was pushed before, and need not be sent again.
struct Elsewhere(Digest);

impl Content for Elsewhere {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let blob = self.0.short();
        Err(io::Error::other(format!("blob {blob} is gone from where it was pushed to")))
    }
}
