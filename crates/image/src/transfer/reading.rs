//! How an image is read from a source, in one way for all media.

use std::io::Read;
use std::sync::Arc;

use super::verify::VerifyReader;
use crate::{
    Artifact, Config, ConfigError, Descriptor, Image, Index, Layer, MAX_CONFIG_BYTES, Manifest,
    Platform, RawManifest, ReadError, Source,
};

/// How many indexes may lie within each other.
const MAX_NESTING: usize = 4;

impl Image {
    /// Reads the image of the manifest `raw`, with its config, from `source`; layers stay where
    /// they are until they are opened. The config gives the diff IDs, if it names any.
    ///
    /// # Errors
    /// Errors of the medium; a manifest or config that is malformed, over its bounds, or of another
    /// digest or size than its descriptor says.
    pub fn read(source: &Arc<dyn Source>, raw: RawManifest) -> Result<Self, ReadError> {
        let manifest = Manifest::parse(&raw)?;
        let config = read_config(source, &manifest.config)?;
        let diff_ids = Config::parse(&config)?.diff_ids().to_vec();
        // An encrypted config names no layers; a plain one names them all.
        if !diff_ids.is_empty() && diff_ids.len() != manifest.layers.len() {
            let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
            return Err(ConfigError::LayerCount { diff_ids, layers }.into());
        }
        let remarks = manifest.remarks;
        let layers = manifest
            .layers
            .into_iter()
            .enumerate()
            .map(|(i, descriptor)| {
                let content = source.blob(&descriptor);
                let diff_id = diff_ids.get(i).filter(|_| !descriptor.media_type.is_encrypted());
                Layer::stored(descriptor, diff_id.copied(), content)
            })
            .collect();
        let manifest = source.stores_manifests().then_some(raw);
        Ok(Self { manifest, config, layers, remarks })
    }
}

impl Artifact {
    /// Reads the image or index in `source`.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn read(source: &Arc<dyn Source>) -> Result<Self, ReadError> {
        Self::parse(source, source.root()?)
    }

    /// Reads the child of an index that `descriptor` names.
    ///
    /// # Errors
    /// As [`Image::read`]; bytes of another digest than the descriptor's.
    pub fn child(source: &Arc<dyn Source>, descriptor: &Descriptor) -> Result<Self, ReadError> {
        Self::parse(source, source.manifest(descriptor)?)
    }

    fn parse(source: &Arc<dyn Source>, raw: RawManifest) -> Result<Self, ReadError> {
        if raw.media_type().is_index() {
            let index = Index::parse(&raw)?;
            return Ok(Self::Index { raw, index });
        }
        Image::read(source, raw).map(Self::Image)
    }

    /// Returns the image itself or, out of an index, the one for `platform`.
    ///
    /// # Errors
    /// No image for the platform; errors as of [`Image::read`].
    pub fn into_image(
        self,
        source: &Arc<dyn Source>,
        platform: Option<&Platform>,
    ) -> Result<Image, ReadError> {
        let (mut index, wanted) = match self {
            Self::Index { index, .. } => (index, platform),
            Self::Image(image) => {
                return match (platform, Config::parse(&image.config)?.platform()) {
                    (Some(wanted), Some(has)) if !has.serves(wanted) => {
                        let (has, wanted) = (has.to_string(), wanted.to_string());
                        Err(ReadError::OtherPlatform { has, wanted })
                    }
                    _ => Ok(image),
                };
            }
        };
        // An index may name indexes; a chain of them without an end is refused.
        for _ in 0..MAX_NESTING {
            match Self::child(source, index.child(wanted)?)? {
                Self::Image(image) => return Ok(image),
                Self::Index { index: inner, .. } => index = inner,
            }
        }
        Err(ReadError::TooDeep)
    }
}

/// Reads the blob of a config whole.
fn read_config(source: &Arc<dyn Source>, descriptor: &Descriptor) -> Result<Vec<u8>, ReadError> {
    if descriptor.size > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge.into());
    }
    let what = format!("config {}", descriptor.digest);
    let reader = source.config(descriptor).open()?;
    let mut bytes = Vec::new();
    VerifyReader::new(reader, what, descriptor.size, Some(descriptor.digest))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
