//! Images in crypto-cli's format that were pushed before, and what of them another push may use again.
//!
//! What makes it safe: the image was opened by the passphrase under which the new one will be encrypted,
//! so that whoever chose a data key knew the passphrase; and its config, which the passphrase
//! authenticates, names both the blob and the diff ID of each layer, so that nobody else can have put
//! one in the place of another. `docs/formats/crypto-cli.md`, "Pushing again".

use sealcrate_image::{Compression, Image};

use super::decrypt::Opened;
use super::encrypt::DareKey;
use super::{DecryptError, KeyDerivation};
use crate::Unencrypted;
use crate::pushed::{LayerKey, PushedLayer};
use crate::sealed::Unbound;

/// An image that was pushed before.
pub struct PushedImage {
    /// Its layers, lowest first.
    pub layers: Vec<PushedLayer>,
    /// Its config, as it was before encryption.
    pub config: Vec<u8>,
}

impl PushedImage {
    /// Opens `image`; `None` if nothing binds its layers to its config.
    ///
    /// # Errors
    /// Another passphrase; an image or config that is not encrypted; damage and contradictions.
    pub fn open(image: &Image, kdf: &mut KeyDerivation) -> Result<Option<Self>, DecryptError> {
        let opened = Opened::of(image, kdf, Unencrypted::Refuse, Unbound::Accept)?;
        if !opened.is_bound() {
            return Ok(None);
        }
        let layers = image.layers.iter().zip(opened.layers).filter_map(|(layer, of_layer)| {
            Some(PushedLayer {
                diff_id: of_layer.diff_id,
                digest: layer.digest()?,
                size: layer.size(),
                compression: Compression::Gzip,
                key: match of_layer.key {
                    Some(key) => LayerKey::Dare(DareKey { key, digest: of_layer.digest }),
                    None => LayerKey::Clear,
                },
            })
        });
        Ok(Some(Self { layers: layers.collect(), config: opened.config }))
    }
}
