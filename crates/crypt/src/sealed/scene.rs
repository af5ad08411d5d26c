//! A scene for tests of readers: an image, and the record that fits it.

use sealcrate_image::{Descriptor, DiffId, Digest, Family, Manifest, MediaType};

use super::{PlainLayer, SealedBlob, SealedLayer, SealedRecord, Sealing, SourceRemarks};

/// A clear layer and an encrypted one above it, and the record that fits them.
pub(crate) struct Scene {
    pub(crate) record: SealedRecord,
    pub(crate) manifest: Manifest,
    pub(crate) diff_ids: Vec<DiffId>,
}

impl Scene {
    /// Makes an image of `family`, whose encrypted layer is stored under the type `encrypted`.
    pub(crate) fn new(family: Family, encrypted: MediaType) -> Self {
        let (config, gzip) = match family {
            Family::Docker => (MediaType::DOCKER_CONFIG, MediaType::DOCKER_LAYER_GZIP),
            Family::Oci => (MediaType::OCI_CONFIG, MediaType::OCI_LAYER_GZIP),
        };
        let config = Descriptor::of(config, b"config");
        let stored =
            [Descriptor::of(gzip.clone(), b"clear"), Descriptor::of(encrypted, b"encrypted")];
        let plain = PlainLayer { media_type: gzip, digest: Some(Self::private()) };
        let diff_ids = [&b"0"[..], b"1"].map(|tar| DiffId(Digest::of(tar)));
        let layers = stored.iter().zip([None, Some(plain)]).zip(diff_ids);
        let layers = layers.map(|((stored, plain), diff_id)| SealedLayer {
            stored: SealedBlob::of(stored),
            plain,
            diff_id: Some(diff_id),
            annotations: Default::default(),
        });
        let (source, sealing) = (SourceRemarks::default(), Sealing::default());
        let record =
            SealedRecord::new(SealedBlob::of(&config), layers.collect(), &source, &sealing);
        let manifest = Manifest::new(family, config, stored.into());
        Self { record, manifest, diff_ids: diff_ids.into() }
    }

    /// Returns the digest of the encrypted layer before encryption.
    pub(crate) fn private() -> Digest {
        Digest::of(b"private")
    }
}
