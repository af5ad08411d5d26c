//! Layers that were pushed before: what of an image in a registry may be part of another image as it
//! is, under a data key that is only wrapped again.
//!
//! The rules that make this safe: the image was opened by the passphrase under which the new one will
//! be encrypted, so that whoever chose a data key knew the passphrase; and its config, which the
//! passphrase authenticates, names both the blob and the diff ID of each layer, so that nobody else
//! can have put one in the place of another. `docs/formats/crypto-cli.md`, "Pushing again".

use std::collections::HashMap;

use sealcrate_image::{Descriptor, DiffId, Digest, Image, MediaType};

use super::decrypt::Opened;
use super::kdf::DataKey;
use super::{DecryptError, KeyDerivation};
use crate::Unencrypted;

/// The layers of images that were pushed before, by diff ID.
#[derive(Default)]
pub struct Pushed {
    layers: HashMap<DiffId, PushedLayer>,
    configs: HashMap<Digest, Vec<u8>>,
}

/// A blob, and the data key under which it is encrypted, if it is.
pub(super) struct PushedLayer {
    digest: Digest,
    size: u64,
    pub(super) key: Option<DataKey>,
}

impl PushedLayer {
    /// Returns the descriptor of the blob, without key data.
    pub(super) fn descriptor(&self) -> Descriptor {
        Descriptor::new(MediaType::DOCKER_LAYER_GZIP, self.digest, self.size)
    }
}

impl Pushed {
    /// Adds those layers of `image` whose blobs are `there`, lowest first, where they are needed:
    /// none, if nothing binds the image's layers to its config.
    ///
    /// # Errors
    /// Another passphrase; an image or config that is not encrypted; damage and contradictions.
    pub fn add(
        &mut self,
        image: &Image,
        there: &[bool],
        kdf: &mut KeyDerivation,
    ) -> Result<(), DecryptError> {
        let opened = Opened::of(image, kdf, Unencrypted::Refuse)?;
        if !opened.is_bound {
            return Ok(());
        }
        for ((layer, of_layer), there) in image.layers.iter().zip(opened.layers).zip(there) {
            if let (Some(digest), true) = (layer.digest(), there) {
                let pushed = PushedLayer { digest, size: layer.size(), key: of_layer.key };
                self.layers.entry(of_layer.diff_id).or_insert(pushed);
            }
        }
        self.configs.insert(Digest::of(&opened.config), opened.config);
        Ok(())
    }

    /// Forgets layers that are not to be pushed as they are.
    pub fn forget(&mut self, diff_ids: &[DiffId]) {
        for diff_id in diff_ids {
            self.layers.remove(diff_id);
        }
    }

    /// Returns which layers there are.
    pub fn diff_ids(&self) -> impl Iterator<Item = DiffId> {
        self.layers.keys().copied()
    }

    /// Returns the configs of the images, as they were before encryption, by their digests.
    pub fn configs(&self) -> &HashMap<Digest, Vec<u8>> {
        &self.configs
    }

    pub(super) fn layer(&self, diff_id: DiffId) -> Option<&PushedLayer> {
        self.layers.get(&diff_id)
    }
}
