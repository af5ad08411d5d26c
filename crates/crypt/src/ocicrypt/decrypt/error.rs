//! Why an image, or a layer of it, cannot be decrypted.

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{ConfigError, ManifestError};
use thiserror::Error;

use crate::ocicrypt::annotations::LayerEncryptionError;
use crate::ocicrypt::budget::MAX_ATTEMPTS;
use crate::ocicrypt::options::OptionsError;
use crate::ocicrypt::record::RecordError;
use crate::ocicrypt::schemes::WrappedKeyError;
use crate::ocicrypt::schemes::provider::ProviderError;

/// Why an image cannot be decrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The annotations of a layer cannot be used.
    #[error("{0}")]
    Annotations(#[from] LayerEncryptionError),
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// An identity opens the wrapped key, but its content does not authenticate.
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
    /// The caller asks for one layer alone, and the layer is not encrypted.
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
    /// The sealed record cannot be used.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// The private options of a layer cannot be used.
    #[error("cannot decrypt layer {layer}")]
    Options {
        /// The layer.
        layer: String,
        /// The cause.
        source: OptionsError,
    },
    /// A key provider did not unwrap a layer's key.
    #[error("cannot decrypt layer {layer}")]
    Provider {
        /// The layer.
        layer: String,
        /// The error of the first provider that was asked.
        source: ProviderError,
    },
    /// A layer's key is wrapped only in ways that this crate does not read.
    #[error("the key of layer {layer} is wrapped in a way that is not supported: {scheme:?}")]
    Scheme {
        /// The layer.
        layer: String,
        /// One of the ways.
        scheme: String,
    },
    /// The binding beside a layer's key does not agree with the image.
    #[error("the image was tampered with: the key of layer {0} is that of another place or image")]
    Tampered(String),
    /// The images that the passphrase opens ask for more work together than one command may do.
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
        /// The error of the first one.
        source: WrappedKeyError,
    },
    /// No identity opens a layer's key.
    #[error("wrong key: the image is encrypted to others")]
    WrongKey,
}

impl Classified for DecryptError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::LayerNotEncrypted(_) | Self::NotEncrypted => Some(ErrorClass::NotEncrypted),
            Self::Scheme { .. } | Self::TooCostly | Self::TooManyAttempts | Self::WrongKey => {
                Some(ErrorClass::Key)
            }
            Self::Annotations(_)
            | Self::DamagedKey(_)
            | Self::LayerCount { .. }
            | Self::NotBound
            | Self::Record(_)
            | Self::Options { .. }
            | Self::Tampered(_)
            | Self::WrappedKey { .. } => Some(ErrorClass::Damaged),
            // A provider that refuses has no key. To encrypt, the same refusal is a failure.
            Self::Provider { source, .. } => source.is_refusal().then_some(ErrorClass::Key),
            Self::Config(_) | Self::Manifest(_) => None,
        }
    }
}
