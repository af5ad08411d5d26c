//! Decryption of an image: all keys first, then what is sealed beside them, then the layers as they are
//! read.

use std::sync::Arc;

use sealcrate_image::{ConfigError, Descriptor, Image, Layer, ManifestError, Spool};
use thiserror::Error;

use super::Identity;
use super::annotations::{self, ProtectionError};
use super::cipher::CipherContent;
use super::options::OptionsError;
use super::provider::ProviderError;
use super::stated::{StatedContent, StatedDigests};
use super::unlock::{Unlocked, UnlockedKey, unlock};
use super::wrapped::WrappedKeyError;
use crate::Unencrypted;

/// The most key operations for one image.
pub const MAX_ATTEMPTS: usize = 4096;

/// What to do about an encrypted image in which nothing binds layers and config together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// Take it: most tools write no other.
    Accept,
    /// Fail.
    Refuse,
}

/// What holds an image's layers and config together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// What is sealed beside the layers' keys, and agrees.
    Sealed,
    /// Nothing: another tool wrote the image, or nothing in it is encrypted.
    None,
}

/// An image that was decrypted.
pub struct Decrypted {
    /// The image, its layers decrypted as they are read and held to their diff IDs, those of a bound
    /// image to the digests that are sealed, which stand for the diff IDs where nothing unpacks them.
    /// It has no manifest, unless nothing of it was encrypted.
    pub image: Image,
    /// What holds it together.
    pub binding: Binding,
    /// What its writer said of the layers before encryption, where nothing holds them to it.
    pub stated: StatedDigests,
}

/// Decrypts `image`, which was read from a registry or layout, with `identities`; ciphertext waits in
/// `spool` until it has been authenticated, unless it lies where nobody can change it.
///
/// # Errors
/// [`DecryptError::WrongKey`] before any layer is read; an image that is not encrypted, or not bound,
/// unless it is said to accept it; annotations and keys that are malformed; a binding that does not hold.
pub fn decrypt(
    image: &Image,
    identities: &[Identity],
    unencrypted: Unencrypted,
    unbound: Unbound,
    spool: &Spool,
) -> Result<Decrypted, DecryptError> {
    let stated = StatedDigests::default();
    let Some(unlocked) = unlock(image, identities, unbound)? else {
        return match (unencrypted, unbound) {
            (Unencrypted::Refuse, _) => Err(DecryptError::NotEncrypted),
            (Unencrypted::Accept, Unbound::Refuse) => Err(DecryptError::NotBound),
            (Unencrypted::Accept, Unbound::Accept) => {
                Ok(Decrypted { image: image.clone(), binding: Binding::None, stated })
            }
        };
    };
    let Unlocked { manifest, protection, keys, diff_ids, digests } = unlocked;
    let mut layers = Vec::with_capacity(image.layers.len());
    for (i, (encryption, key)) in protection.layers.into_iter().zip(keys).enumerate() {
        let (stored, diff_id) = (image.layers[i].clone(), diff_ids[i]);
        let (Some(encryption), Some(UnlockedKey { options, .. })) = (encryption, key) else {
            layers.push(match (&digests, stored.descriptor()) {
                (Some(_), Some(descriptor)) => {
                    Layer::bound(descriptor.clone(), diff_id, stored.content().clone())
                }
                _ => stored.with_diff_id(diff_id),
            });
            continue;
        };
        let (size, name) = (stored.size(), stored.name());
        let content = Arc::new(CipherContent {
            stored,
            key: options.key,
            nonce: options.nonce,
            hmac: encryption.hmac,
            spool: spool.clone(),
        });
        layers.push(match (&digests, options.digest) {
            (Some(digests), _) => {
                let mut descriptor = Descriptor::new(encryption.media_type, digests[i], size);
                descriptor.annotations = annotations::others(&manifest.layers[i]);
                Layer::bound(descriptor, diff_id, content)
            }
            (None, None) => Layer::decrypted(encryption.media_type, size, diff_id, content),
            (None, Some(digest)) => {
                let content = StatedContent::new(content, digest, name, stated.clone());
                Layer::decrypted(encryption.media_type, size, diff_id, Arc::new(content))
            }
        });
    }
    let binding = if digests.is_some() { Binding::Sealed } else { Binding::None };
    let image = Image { manifest: None, config: image.config.clone(), layers };
    Ok(Decrypted { image, binding, stated })
}

/// Why an image cannot be decrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// What a descriptor says of its layer's encryption cannot be used.
    #[error("{0}")]
    Annotations(#[from] ProtectionError),
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// An identity opens the wrapped key, but what it holds does not authenticate.
    #[error("the wrapped key of layer {0} is damaged: it does not authenticate")]
    DamagedKey(String),
    /// The manifest has other layers than the config.
    #[error("the config names {diff_ids} layers, the manifest {layers}")]
    LayerCount {
        /// How many the config names.
        diff_ids: usize,
        /// How many the manifest has.
        layers: usize,
    },
    /// A layer that is to be decrypted by itself is not encrypted.
    #[error("layer {0} is not encrypted")]
    LayerNotEncrypted(String),
    /// The manifest cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// Nothing binds the layers to the config and to each other.
    #[error("nothing binds the image's layers to each other and to its config")]
    NotBound,
    /// Nothing in the image is encrypted.
    #[error("the image is not encrypted")]
    NotEncrypted,
    /// What was wrapped cannot be used.
    #[error("cannot decrypt layer {layer}")]
    Options {
        /// The layer.
        layer: String,
        /// What is wrong.
        source: OptionsError,
    },
    /// A key provider was asked for a layer's key, and did not give it.
    #[error("cannot decrypt layer {layer}")]
    Provider {
        /// The layer.
        layer: String,
        /// What the first that was asked did.
        source: ProviderError,
    },
    /// A layer's key is wrapped in ways alone that are not read.
    #[error("the key of layer {layer} is wrapped in a way that is not supported: {scheme:?}")]
    Scheme {
        /// The layer.
        layer: String,
        /// One of the ways.
        scheme: String,
    },
    /// What is sealed beside a layer's key does not agree with the image.
    #[error("the image was tampered with: the key of layer {0} is that of another place or image")]
    Tampered(String),
    /// All images that were opened under the passphrase ask for more work together than may be.
    #[error("the images under the passphrase ask for too much work together to derive their keys")]
    TooCostly,
    /// The image asks for more than [`MAX_ATTEMPTS`] key operations.
    #[error("the image's keys are wrapped too often: more than {MAX_ATTEMPTS} attempts")]
    TooManyAttempts,
    /// No wrapped key of a layer can be read.
    #[error("cannot decrypt layer {layer}")]
    WrappedKey {
        /// The layer.
        layer: String,
        /// What is wrong with the first.
        source: WrappedKeyError,
    },
    /// No identity opens a layer's key.
    #[error("wrong key: the image is encrypted to others")]
    WrongKey,
}
