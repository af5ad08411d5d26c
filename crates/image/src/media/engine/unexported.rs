//! Images that need no export: the caller has the config, and the layers stay where they are.

use std::io::{self, Read};
use std::sync::Arc;

use crate::{
    Config, ConfigError, Content, Descriptor, DiffId, Family, Manifest, MediaType, RawManifest,
    ReadError, Source,
};

/// An image whose layers are named by their diff IDs, and cannot be read.
pub(super) struct Unexported {
    config: Vec<u8>,
    manifest: RawManifest,
}

impl Unexported {
    pub(super) fn new(config: Vec<u8>) -> Result<Self, ConfigError> {
        let layer = |diff_id: &DiffId| Descriptor::new(MediaType::DOCKER_LAYER, diff_id.0, 0);
        let layers = Config::parse(&config)?.diff_ids().iter().map(layer).collect();
        let descriptor = Descriptor::of(MediaType::DOCKER_CONFIG, &config);
        let manifest = Manifest::new(Family::Docker, descriptor, layers).to_raw();
        Ok(Self { config, manifest })
    }
}

impl Source for Unexported {
    fn root(&self) -> Result<RawManifest, ReadError> {
        Ok(self.manifest.clone())
    }

    fn manifest(&self, _: &Descriptor) -> Result<RawManifest, ReadError> {
        Ok(self.manifest.clone())
    }

    fn stores_manifests(&self) -> bool {
        false
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        match descriptor.media_type == MediaType::DOCKER_CONFIG {
            true => Arc::new(self.config.clone()),
            false => Arc::new(Layer(DiffId(descriptor.digest))),
        }
    }
}

struct Layer(DiffId);

impl Content for Layer {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Err(io::Error::other(format!("layer {} was not exported", self.0)))
    }
}
