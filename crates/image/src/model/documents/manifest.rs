//! Image manifests: parsed, and beside that the bytes that were read.

use std::collections::BTreeMap;

use sealcrate_errors::{Classified, ErrorClass};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::model::documents::strict;
use crate::model::documents::strict::null_is_empty;
use crate::{Descriptor, Digest, Family, MediaType};

/// The largest manifest or index that is read, as in most registries.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// The most layers that an image may have; engines stop at 127.
pub const MAX_LAYERS: usize = 1000;

/// A manifest or an index as its bytes. Its digest is the digest of these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawManifest {
    media_type: MediaType,
    bytes: Vec<u8>,
    digest: Digest,
}

impl RawManifest {
    /// Takes the `bytes` of a manifest that is known to be of `media_type`.
    pub fn new(media_type: MediaType, bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { media_type, bytes, digest }
    }

    /// Takes `bytes`, which the server may have labelled with the type `served`, and finds out their
    /// media type.
    ///
    /// # Errors
    /// Bytes over [`MAX_MANIFEST_BYTES`]; bytes that are no JSON object, or that readers could understand
    /// differently: members that occur twice or differ by case alone, an image manifest and an index at
    /// once (CVE-2021-41190), a type that is neither.
    pub fn recognise(served: Option<&str>, bytes: Vec<u8>) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let shape: Shape = strict::parse(&bytes, &strict::MANIFEST).map_err(ManifestError::Json)?;
        if shape.schema_version != 2 {
            return Err(ManifestError::SchemaVersion(shape.schema_version));
        }
        let is_image = shape.config.is_some() || shape.layers.is_some();
        let is_index = shape.manifests.is_some();
        if is_image && is_index {
            return Err(ManifestError::Ambiguous);
        }
        let by_shape = || {
            if is_index { MediaType::OCI_INDEX } else { MediaType::OCI_MANIFEST }
        };
        let said = shape.media_type.or_else(|| {
            // Servers may add parameters, and old ones serve OCI manifests as plain JSON.
            let served = served?.split(';').next()?.trim();
            let media_type = MediaType::from(served.to_owned());
            (media_type.is_index() || media_type.is_manifest()).then_some(media_type)
        });
        let media_type = said.unwrap_or_else(by_shape);
        let fits = media_type.is_index() == is_index && media_type.is_manifest() == is_image;
        if !fits || !(is_index || is_image) {
            return Err(ManifestError::MediaType(media_type));
        }
        Ok(Self::new(media_type, bytes))
    }

    /// Returns the media type of the bytes.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns a descriptor of the bytes.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.clone(), self.digest, self.bytes.len() as u64)
    }
}

/// The members by which a manifest differs from an index.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u64,
    media_type: Option<MediaType>,
    config: Option<Value>,
    layers: Option<Value>,
    manifests: Option<Value>,
}

/// The parts of a manifest or index beside the blobs that it names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remarks {
    /// The kind of artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form metadata.
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// The manifest of one image. Members that the specification does not name are dropped.
///
/// OCI image specification, "Image Manifest"; distribution's "Image Manifest V 2, Schema 2".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    /// The config blob.
    pub config: Descriptor,
    /// The layer blobs, lowest first.
    #[serde(deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// Its other members.
    #[serde(flatten)]
    pub remarks: Remarks,
}

impl Manifest {
    /// Makes a manifest of `family` out of a config and layers.
    pub fn new(family: Family, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        let media_type = match family {
            Family::Docker => MediaType::DOCKER_MANIFEST,
            Family::Oci => MediaType::OCI_MANIFEST,
        };
        let (media_type, remarks) = (Some(media_type), Remarks::default());
        Self { schema_version: 2, media_type, config, layers, remarks }
    }

    /// Returns the same manifest with `remarks`. Docker's family has no place for them, and drops them.
    pub fn with_remarks(self, remarks: Remarks) -> Self {
        if self.media_type == Some(MediaType::DOCKER_MANIFEST) {
            return self;
        }
        Self { remarks, ..self }
    }

    /// Parses the manifest of an image.
    ///
    /// # Errors
    /// An index, malformed JSON, or more than [`MAX_LAYERS`] layers.
    pub fn parse(raw: &RawManifest) -> Result<Self, ManifestError> {
        if !raw.media_type().is_manifest() {
            return Err(ManifestError::MediaType(raw.media_type().clone()));
        }
        let manifest: Self =
            strict::parse(raw.bytes(), &strict::MANIFEST).map_err(ManifestError::Json)?;
        if manifest.layers.len() > MAX_LAYERS {
            return Err(ManifestError::TooManyLayers(manifest.layers.len()));
        }
        Ok(manifest)
    }

    /// Writes the manifest out.
    pub fn to_raw(&self) -> RawManifest {
        let media_type = self.media_type.clone().unwrap_or(MediaType::OCI_MANIFEST);
        let bytes = serde_json::to_vec(self).expect("a manifest is made of JSON values");
        RawManifest::new(media_type, bytes)
    }
}

/// Why a manifest or index cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The bytes could be read as an image manifest and as an index.
    #[error("the manifest is both an image's and an index")]
    Ambiguous,
    /// The bytes are no JSON, or not of the right shape.
    #[error("the manifest is malformed")]
    Json(#[source] serde_json::Error),
    /// A layer has never been stored, and so has no descriptor.
    #[error("layer {0} has no descriptor yet")]
    LayerNotStored(String),
    /// The type is not the expected one, or not the one that the members show.
    #[error("unexpected manifest type {0}")]
    MediaType(MediaType),
    /// The schema version is not 2.
    #[error("manifests of schema version {0} are not supported")]
    SchemaVersion(u64),
    /// The manifest is larger than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest is larger than 4 MiB")]
    TooLarge,
    /// There are more children than an index may have.
    #[error("the index names {0} manifests, more than 1000")]
    TooManyChildren(usize),
    /// There are more than [`MAX_LAYERS`] layers.
    #[error("the manifest names {0} layers, more than 1000")]
    TooManyLayers(usize),
}

impl Classified for ManifestError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(media_type: &str, extra: &str) -> Vec<u8> {
        let d = Digest::of(b"");
        format!(
            r#"{{"schemaVersion":2,{media_type}"config":{{"mediaType":"c","digest":"{d}","size":0}},"layers":[]{extra}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn type_comes_from_the_bytes_before_the_header() {
        let docker = r#""mediaType":"application/vnd.docker.distribution.manifest.v2+json","#;
        let raw = RawManifest::recognise(Some("text/plain"), image(docker, "")).unwrap();
        assert_eq!(*raw.media_type(), MediaType::DOCKER_MANIFEST);
        let raw = RawManifest::recognise(
            Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
            image("", ""),
        );
        assert_eq!(*raw.unwrap().media_type(), MediaType::DOCKER_MANIFEST);
        let raw = RawManifest::recognise(Some("application/json"), image("", "")).unwrap();
        assert_eq!(*raw.media_type(), MediaType::OCI_MANIFEST);
    }

    #[test]
    fn image_and_index_at_once_is_refused() {
        let error = RawManifest::recognise(None, image("", r#","manifests":[]"#)).unwrap_err();
        assert!(matches!(error, ManifestError::Ambiguous));
        let index = r#""mediaType":"application/vnd.oci.image.index.v1+json","#;
        let error = RawManifest::recognise(None, image(index, "")).unwrap_err();
        assert!(matches!(error, ManifestError::MediaType(_)));
    }

    #[test]
    fn what_is_neither_image_nor_index_is_refused() {
        for bytes in [r#"{"schemaVersion":2}"#, r#"{"schemaVersion":2,"mediaType":"text/plain"}"#] {
            let error = RawManifest::recognise(None, bytes.into()).unwrap_err();
            assert!(matches!(error, ManifestError::MediaType(_)), "{error:?}");
        }
    }

    #[test]
    fn bounds_hold() {
        let long = image("", &format!(",\"x\":\"{}\"", "y".repeat(4 << 20)));
        assert!(matches!(RawManifest::recognise(None, long), Err(ManifestError::TooLarge)));
        let layer = Descriptor::of(MediaType::OCI_LAYER, b"");
        let config = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
        let many = Manifest::new(Family::Oci, config, vec![layer; MAX_LAYERS + 1]).to_raw();
        assert!(matches!(Manifest::parse(&many), Err(ManifestError::TooManyLayers(1001))));
        let old = br#"{"schemaVersion":1}"#.to_vec();
        assert!(matches!(RawManifest::recognise(None, old), Err(ManifestError::SchemaVersion(1))));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let layer = Descriptor::of(MediaType::DOCKER_LAYER_GZIP, b"layer");
        let config = Descriptor::of(MediaType::DOCKER_CONFIG, b"{}");
        let manifest = Manifest::new(Family::Docker, config, vec![layer]);
        let raw = manifest.to_raw();
        let again = RawManifest::recognise(None, raw.bytes().to_vec()).unwrap();
        assert_eq!(again, raw);
        assert_eq!(Manifest::parse(&again).unwrap(), manifest);
    }
}
