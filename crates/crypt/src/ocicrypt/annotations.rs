//! Annotations, in which the descriptor of an encrypted layer describes its key. They are neither
//! authenticated nor secret.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{Descriptor, Image, Layer, Manifest, MediaType};
use thiserror::Error;

use super::options::{OptionsError, PublicOptions};
use super::schemes;

const PREFIX: &str = "org.opencontainers.image.enc.";
const KEYS: &str = "org.opencontainers.image.enc.keys.";
const PUBLIC_OPTIONS: &str = "org.opencontainers.image.enc.pubopts";
const SUFFIX: &str = "+encrypted";

/// The most wrapped keys of one layer that a reader looks at.
pub const MAX_WRAPS: usize = 256;

/// The encryption of an image as its descriptors describe it, which nothing authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerEncryptions {
    /// Each layer's encryption, lowest first.
    pub layers: Vec<Option<Encryption>>,
}

impl LayerEncryptions {
    /// Reads the annotations of every layer of a manifest.
    ///
    /// # Errors
    /// The error of [`Encryption::of`], with the layer.
    pub fn of(manifest: &Manifest) -> Result<Self, LayerEncryptionError> {
        let layers = manifest.layers.iter().map(Self::of_layer).collect::<Result<_, _>>()?;
        Ok(Self { layers })
    }

    /// Reads how one layer is encrypted.
    ///
    /// # Errors
    /// The errors of [`of`](Self::of).
    pub(super) fn of_layer(
        descriptor: &Descriptor,
    ) -> Result<Option<Encryption>, LayerEncryptionError> {
        Encryption::of(descriptor)
            .map_err(|source| LayerEncryptionError { layer: descriptor.digest.short(), source })
    }

    /// Tells whether anything is encrypted.
    pub fn is_any(&self) -> bool {
        self.layers.iter().any(Option::is_some)
    }

    /// Tells whether a passphrase may open any of the wrapped keys.
    pub fn takes_passphrase(&self) -> bool {
        let mut known =
            self.wraps().filter_map(|(name, bytes)| Some((schemes::named(name)?, bytes)));
        known.any(|(scheme, bytes)| scheme.takes_passphrase(bytes))
    }

    /// Returns the ways in which the layers' keys are wrapped, each once, in words that people know.
    /// The name of a scheme that is not read may be anybody's text.
    pub fn schemes(&self) -> BTreeSet<String> {
        let describe = |(name, bytes): &(String, Vec<u8>)| match schemes::named(name) {
            Some(scheme) => scheme.describe(bytes),
            None => name.clone(),
        };
        self.wraps().map(describe).collect()
    }

    /// Returns the wrapped keys of all layers.
    fn wraps(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.layers.iter().flatten().flat_map(|encryption| &encryption.wraps)
    }
}

/// The encryption of a layer as its descriptor describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The media type of the decrypted bytes.
    pub media_type: MediaType,
    /// The HMAC-SHA256 of the encrypted bytes.
    pub hmac: [u8; 32],
    /// The layer's wrapped keys, each with the name of its scheme.
    pub wraps: Vec<(String, Vec<u8>)>,
}

impl Encryption {
    /// Reads the annotations of `descriptor`. Returns `None` if the layer is not encrypted.
    ///
    /// # Errors
    /// The media type and the annotations contradict each other; an annotation is missing or
    /// malformed; there are more than [`MAX_WRAPS`] wrapped keys.
    pub fn of(descriptor: &Descriptor) -> Result<Option<Self>, AnnotationError> {
        let annotated = descriptor.annotations.keys().any(|key| key.starts_with(PREFIX));
        let media_type = match (descriptor.media_type.as_str().strip_suffix(SUFFIX), annotated) {
            (Some(plain), _) => MediaType::from(plain.to_owned()),
            (None, false) => return Ok(None),
            (None, true) => return Err(AnnotationError::MediaType),
        };
        if media_type.compression().is_none() {
            return Err(AnnotationError::NoLayer);
        }
        let text = descriptor
            .annotations
            .get(PUBLIC_OPTIONS)
            .ok_or(AnnotationError::Missing("public options"))?;
        let public = STANDARD
            .decode(text)
            .map_err(|_| AnnotationError::Base64(PUBLIC_OPTIONS.to_owned()))?;
        let hmac = PublicOptions::parse(&public)?.hmac;
        let mut wraps = Vec::new();
        for (key, list) in &descriptor.annotations {
            let Some(name) = key.strip_prefix(KEYS) else { continue };
            for item in list.split(',').filter(|item| !item.is_empty()) {
                if wraps.len() == MAX_WRAPS {
                    return Err(AnnotationError::TooMany);
                }
                let bytes =
                    STANDARD.decode(item).map_err(|_| AnnotationError::Base64(key.clone()))?;
                wraps.push((name.to_owned(), bytes));
            }
        }
        if wraps.is_empty() {
            return Err(AnnotationError::Missing("wrapped key"));
        }
        Ok(Some(Self { media_type, hmac, wraps }))
    }

    /// Writes the encryption into the descriptor of the encrypted bytes. It replaces earlier
    /// wrapped keys and public options; other annotations stay.
    pub(super) fn put(&self, descriptor: &mut Descriptor) {
        descriptor.annotations.retain(|key, _| !key.starts_with(KEYS));
        descriptor.media_type = format!("{}{SUFFIX}", self.media_type).into();
        let public = PublicOptions { hmac: self.hmac }.to_json();
        descriptor.annotations.insert(PUBLIC_OPTIONS.to_owned(), STANDARD.encode(public));
        for (scheme, bytes) in &self.wraps {
            let list = descriptor.annotations.entry(format!("{KEYS}{scheme}")).or_default();
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&STANDARD.encode(bytes));
        }
    }
}

/// Tells whether a descriptor says, by its media type or annotations, that its layer is encrypted.
fn is_marked(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_encrypted()
        || descriptor.annotations.keys().any(|key| key.starts_with(PREFIX))
}

/// Tells whether any layer of an image says that it is encrypted.
pub(crate) fn is_encrypted(image: &Image) -> bool {
    image.layers.iter().filter_map(Layer::descriptor).any(is_marked)
}

/// Names the layer whose annotations cannot be used.
#[derive(Debug, Error)]
#[error("cannot decrypt layer {layer}")]
pub struct LayerEncryptionError {
    layer: String,
    source: AnnotationError,
}

impl Classified for LayerEncryptionError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

/// Why the annotations of a layer cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnnotationError {
    /// An annotation's value is not in base64.
    #[error("the annotation {0:?} is no base64")]
    Base64(String),
    /// The annotations say that the layer is encrypted, but its media type does not.
    #[error("annotations say that the layer is encrypted, its media type does not")]
    MediaType,
    /// An annotation is missing.
    #[error("the layer is encrypted, but there is no {0} in its annotations")]
    Missing(&'static str),
    /// The descriptor is encrypted, but is not a layer's.
    #[error("the media type is not that of an encrypted layer")]
    NoLayer,
    /// The public options cannot be used.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// There are more than [`MAX_WRAPS`] wrapped keys.
    #[error("the layer's key is wrapped more than {MAX_WRAPS} times")]
    TooMany,
}

impl Classified for AnnotationError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Base64(_)
            | Self::MediaType
            | Self::Missing(_)
            | Self::NoLayer
            | Self::TooMany => Some(ErrorClass::Failure),
            Self::Options(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(annotations: &[(&str, String)]) -> Descriptor {
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".to_owned();
        let mut descriptor = Descriptor::of(media_type.into(), b"x");
        for (key, value) in annotations {
            descriptor.annotations.insert((*key).to_owned(), value.clone());
        }
        descriptor
    }

    fn public() -> (&'static str, String) {
        let hmac = STANDARD.encode([7; 32]);
        let json = format!(
            r#"{{"cipher":"AES_256_CTR_HMAC_SHA256","hmac":"{hmac}","cipheroptions":{{}}}}"#
        );
        (PUBLIC_OPTIONS, STANDARD.encode(json))
    }

    fn jwe(value: &str) -> (&'static str, String) {
        ("org.opencontainers.image.enc.keys.jwe", value.to_owned())
    }

    #[test]
    fn lists_of_every_scheme_are_read() {
        let other = ("org.opencontainers.image.enc.keys.other", "Yw==".to_owned());
        let found = Encryption::of(&descriptor(&[public(), jwe("YQ==,Yg=="), other]));
        let found = found.unwrap().unwrap();
        assert_eq!(found.media_type, MediaType::OCI_LAYER_GZIP);
        assert_eq!(found.hmac, [7; 32]);
        let expected = [("jwe", b"a"), ("jwe", b"b"), ("other", b"c")];
        assert_eq!(found.wraps, expected.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    }

    #[test]
    fn stripped_or_empty_annotations_are_refused() {
        let error = |descriptor: &Descriptor| Encryption::of(descriptor).unwrap_err();
        assert!(matches!(error(&descriptor(&[])), AnnotationError::Missing("public options")));
        assert!(matches!(
            error(&descriptor(&[public(), jwe("")])),
            AnnotationError::Missing("wrapped key")
        ));
        assert!(matches!(error(&descriptor(&[public(), jwe("?")])), AnnotationError::Base64(_)));
        let mut relabelled = descriptor(&[public(), jwe("YQ==")]);
        relabelled.media_type = MediaType::OCI_LAYER_GZIP;
        assert!(matches!(error(&relabelled), AnnotationError::MediaType));
        relabelled.media_type = "text/plain+encrypted".to_owned().into();
        assert!(matches!(error(&relabelled), AnnotationError::NoLayer));
        relabelled.media_type = MediaType::OCI_LAYER_GZIP;
        relabelled.annotations.clear();
        assert_eq!(Encryption::of(&relabelled).unwrap(), None);
    }

    #[test]
    fn endless_lists_are_refused() {
        let list = vec!["YQ=="; MAX_WRAPS + 1].join(",");
        let error = Encryption::of(&descriptor(&[public(), jwe(&list)])).unwrap_err();
        assert!(matches!(error, AnnotationError::TooMany));
    }
}
