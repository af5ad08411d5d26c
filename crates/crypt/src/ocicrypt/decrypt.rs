//! Decryption of an image: all keys first, then what is sealed beside them, then the layers as they are
//! read.

use std::sync::Arc;

use sealcrate_image::{
    Config, ConfigError, Descriptor, DiffId, Digest, Image, Layer, Manifest, ManifestError, Spool,
};
use thiserror::Error;

use super::Identity;
use super::annotations::{AnnotationError, Encryption, Scheme};
use super::cipher::CipherContent;
use super::jwe::{Jwe, JweError, Unwrapped};
use super::options::{OptionsError, PrivateOptions, SealedBinding};

/// The most key operations for one image.
pub const MAX_ATTEMPTS: usize = 4096;

/// What to do about an image that is not encrypted though identities were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unencrypted {
    /// Take it as it is.
    Accept,
    /// Fail: somebody may have put it in the place of an encrypted one.
    Refuse,
}

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
    /// image to their digests too. It has no manifest, unless nothing of it was encrypted.
    pub image: Image,
    /// What holds it together.
    pub binding: Binding,
}

/// Decrypts `image`, which was read from a registry or layout, with `identities`; ciphertext waits in
/// `spool` until it has been authenticated.
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
    let Some(raw) = &image.manifest else { return Err(DecryptError::NotEncrypted) };
    let manifest = Manifest::parse(raw)?;
    let encryptions = manifest
        .layers
        .iter()
        .map(|descriptor| {
            Encryption::of(descriptor).map_err(|source| DecryptError::Annotations {
                layer: descriptor.digest.short(),
                source,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if encryptions.iter().all(Option::is_none) {
        return match unencrypted {
            Unencrypted::Accept => Ok(Decrypted { image: image.clone(), binding: Binding::None }),
            Unencrypted::Refuse => Err(DecryptError::NotEncrypted),
        };
    }
    let diff_ids = Config::parse(&image.config)?.diff_ids().to_vec();
    if diff_ids.len() != manifest.layers.len() || image.layers.len() != manifest.layers.len() {
        let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
        return Err(DecryptError::LayerCount { diff_ids, layers });
    }
    let mut keyring = Keyring { identities, left: MAX_ATTEMPTS };
    let mut opened = Vec::with_capacity(encryptions.len());
    for (encryption, layer) in encryptions.iter().zip(&manifest.layers) {
        opened.push(match encryption {
            Some(encryption) => Some(keyring.open(encryption, layer)?),
            None => None,
        });
    }
    let digests = sealed_digests(image.id(), &manifest.layers, &opened, &diff_ids)?;
    if digests.is_none() && unbound == Unbound::Refuse {
        return Err(DecryptError::NotBound);
    }
    let mut layers = Vec::with_capacity(image.layers.len());
    for (i, (encryption, options)) in encryptions.into_iter().zip(opened).enumerate() {
        let (stored, diff_id) = (image.layers[i].clone(), diff_ids[i]);
        let (Some(encryption), Some(options)) = (encryption, options) else {
            layers.push(stored.with_diff_id(diff_id));
            continue;
        };
        let size = stored.size();
        let content = Arc::new(CipherContent {
            stored,
            key: options.key,
            nonce: options.nonce,
            hmac: encryption.hmac,
            spool: spool.clone(),
        });
        layers.push(match &digests {
            Some(digests) => {
                let descriptor = Descriptor::new(encryption.media_type, digests[i], size);
                Layer::stored(descriptor, Some(diff_id), content)
            }
            None => Layer::decrypted(encryption.media_type, size, diff_id, content),
        });
    }
    let binding = if digests.is_some() { Binding::Sealed } else { Binding::None };
    Ok(Decrypted { image: Image { manifest: None, config: image.config.clone(), layers }, binding })
}

/// Tries identities, as often as may be.
struct Keyring<'i> {
    identities: &'i [Identity],
    left: usize,
}

impl Keyring<'_> {
    /// Finds the private options of the layer that `descriptor` describes.
    fn open(
        &mut self,
        encryption: &Encryption,
        descriptor: &Descriptor,
    ) -> Result<PrivateOptions, DecryptError> {
        let layer = || descriptor.digest.short();
        let mut refused = None;
        let mut other = None;
        let (mut readable, mut damaged) = (false, false);
        for (scheme, bytes) in &encryption.wraps {
            if let Scheme::Other(name) = scheme {
                other.get_or_insert_with(|| name.chars().take(64).collect::<String>());
                continue;
            }
            let jwe = match Jwe::parse(bytes) {
                Ok(jwe) => jwe,
                // One that nobody can read does not hide the others.
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            readable = true;
            for identity in self.identities {
                self.left =
                    self.left.checked_sub(jwe.recipients()).ok_or(DecryptError::TooManyAttempts)?;
                match jwe.unwrap(identity) {
                    Unwrapped::Content(content) => {
                        return PrivateOptions::parse(&content)
                            .map_err(|source| DecryptError::Options { layer: layer(), source });
                    }
                    Unwrapped::Damaged => damaged = true,
                    Unwrapped::NotMine => {}
                }
            }
        }
        Err(match (damaged, readable, refused, other) {
            (true, ..) => DecryptError::DamagedKey(layer()),
            (_, true, ..) => DecryptError::WrongKey,
            (_, _, Some(source), _) => DecryptError::Jwe { layer: layer(), source },
            (_, _, None, scheme) => {
                DecryptError::Scheme { layer: layer(), scheme: scheme.unwrap_or_default() }
            }
        })
    }
}

/// Holds the image to what is sealed beside its layers' keys, and returns the digests that its layers
/// have before encryption, or `None` if nothing is sealed.
fn sealed_digests(
    config: Digest,
    layers: &[Descriptor],
    opened: &[Option<PrivateOptions>],
    diff_ids: &[DiffId],
) -> Result<Option<Vec<Digest>>, DecryptError> {
    if opened.iter().flatten().all(|options| options.binding.is_none()) {
        return Ok(None);
    }
    let mut digests = Vec::with_capacity(layers.len());
    for (layer, options) in layers.iter().zip(opened) {
        digests.push(match options {
            None => layer.digest,
            Some(options) => {
                options.digest.ok_or_else(|| DecryptError::Tampered(layer.digest.short()))?
            }
        });
    }
    for (i, options) in opened.iter().enumerate() {
        let Some(options) = options else { continue };
        let expected = SealedBinding::new(config, diff_ids[i], i, &digests);
        if options.binding.as_ref() != Some(&expected) {
            return Err(DecryptError::Tampered(layers[i].digest.short()));
        }
    }
    Ok(Some(digests))
}

/// Why an image cannot be decrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// What a descriptor says of its layer's encryption cannot be used.
    #[error("cannot decrypt layer {layer}")]
    Annotations {
        /// The layer.
        layer: String,
        /// What is wrong.
        source: AnnotationError,
    },
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// An identity opens the wrapped key, but what it holds does not authenticate.
    #[error("the wrapped key of layer {0} is damaged: it does not authenticate")]
    DamagedKey(String),
    /// No wrapped key of a layer can be read.
    #[error("cannot decrypt layer {layer}")]
    Jwe {
        /// The layer.
        layer: String,
        /// What is wrong with the first.
        source: JweError,
    },
    /// The manifest has other layers than the config.
    #[error("the config names {diff_ids} layers, the manifest {layers}")]
    LayerCount {
        /// How many the config names.
        diff_ids: usize,
        /// How many the manifest has.
        layers: usize,
    },
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
    /// The image asks for more than [`MAX_ATTEMPTS`] key operations.
    #[error("the image's keys are wrapped too often: more than {MAX_ATTEMPTS} attempts")]
    TooManyAttempts,
    /// No identity opens a layer's key.
    #[error("wrong key: the image is encrypted to others")]
    WrongKey,
}
