//! Images: a config and its layers.

use crate::{
    Descriptor, Digest, Expansion, Family, Index, Layer, Manifest, ManifestError, MediaType,
    RawManifest, Remarks,
};

/// One image: its config and layers, and the manifest under which it is stored, if it is.
///
/// The config is the bytes as stored: an encrypted image's config tells little. An image out of an
/// engine, or one that was just decrypted, has no manifest; a sink that stores images by digests
/// makes one.
#[derive(Clone)]
pub struct Image {
    /// The manifest as stored.
    pub manifest: Option<RawManifest>,
    /// The config's bytes.
    pub config: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// The other members of its manifest, or of the manifest that it will get.
    pub remarks: Remarks,
}

impl Image {
    /// Makes an image that has no manifest yet.
    pub fn new(config: Vec<u8>, layers: Vec<Layer>) -> Self {
        Self { manifest: None, config, layers, remarks: Remarks::default() }
    }

    /// Returns the same image, whose layers may unpack to as much as `expansion` allows.
    pub fn with_expansion(self, expansion: Expansion) -> Self {
        let layers = self.layers.iter().map(|layer| layer.with_expansion(expansion)).collect();
        Self { layers, ..self }
    }

    /// Returns the digest of the config: the image ID of the classic engine store.
    pub fn id(&self) -> Digest {
        Digest::of(&self.config)
    }

    /// Returns the same image with a manifest of `family`, made of its layers' descriptors.
    ///
    /// # Errors
    /// A layer that has never been stored, by its name.
    pub fn with_manifest(self, family: Family) -> Result<Self, ManifestError> {
        let config_type = match family {
            Family::Docker => MediaType::DOCKER_CONFIG,
            Family::Oci => MediaType::OCI_CONFIG,
        };
        let config = Descriptor::of(config_type, &self.config);
        let layers = self
            .layers
            .iter()
            .map(|layer| {
                let mut descriptor = layer
                    .descriptor()
                    .ok_or_else(|| ManifestError::LayerNotStored(layer.name()))?
                    .clone();
                if let Some(compression) = descriptor.media_type.compression() {
                    descriptor.media_type = MediaType::layer(family, compression);
                }
                Ok(descriptor)
            })
            .collect::<Result<_, ManifestError>>()?;
        let manifest = Manifest::new(family, config, layers).with_remarks(self.remarks.clone());
        let manifest = Some(manifest.to_raw());
        Ok(Self { manifest, ..self })
    }
}

/// One image, or an index of several, as a location names it.
#[derive(Clone)]
pub enum Artifact {
    /// One image.
    Image(Image),
    /// An index, as its bytes and parsed.
    Index {
        /// The bytes.
        raw: RawManifest,
        /// The parsed index.
        index: Index,
    },
}
