//! The sealed record: everything that an encrypted image promises to the readers who open it.
//!
//! A record names the config and every layer, before and after encryption, and all remarks of the
//! manifest beside them. Only somebody with a data key of the image can write one. So a reader
//! builds the image anew from the record, and nothing that a stranger changed comes along.
//! [`Table`] binds the images of an index to each other, and [`Home`] binds an image to the
//! repository that it was pushed to. Each format decides where it keeps the record:
//! [`ocicrypt`](crate::ocicrypt) in an annotation, [`crypto_cli`](crate::crypto_cli) in the encrypted
//! config. `docs/formats/sealed.md` specifies the bytes.

mod binding;
mod home;
mod identity;
#[cfg(test)]
pub(crate) mod scene;
mod table;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_image::{
    Descriptor, DiffId, Digest, Image, Layer, Manifest, MediaType, Platform, RawManifest, Remarks,
};
use serde::{Deserialize, Serialize};

pub use binding::{Binding, Unbound};
pub use home::{Home, HomeError};
pub use identity::ImageIdentity;
pub use table::{Row, RowKind, Table, TableError};

/// The version of new records.
pub const VERSION: u64 = 2;

/// The longest record, in bytes of JSON.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The length in bytes from which a record's annotation gets a warning: some engines copy
/// annotations into every container.
pub const LARGE_ANNOTATION_BYTES: usize = 64 << 10;

/// The parts of a record that do not follow from the image.
#[derive(Clone, Debug, Default)]
pub struct Sealing {
    /// The table of the index that the image belongs to.
    pub table: Option<Table>,
    /// The repository that the image is pushed to.
    pub home: Option<Home>,
}

/// Everything that an encrypted image promises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedRecord {
    /// The config as stored, or as before encryption if the format encrypts it.
    pub config: SealedBlob,
    /// The layers, lowest first.
    pub layers: Vec<SealedLayer>,
    /// The platform, if the config names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The remarks of the manifest before encryption.
    #[serde(flatten)]
    pub remarks: Remarks,
    /// The index that the image belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Table>,
    /// The repository that the image was pushed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// The readers with their wrapped keys, if the format has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<SealedReader>,
    /// The manifest's bytes before encryption, in base64, if decryption gives exactly that
    /// manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
}

/// A blob as a descriptor names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedBlob {
    /// The type of the bytes.
    pub media_type: MediaType,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The length of the bytes.
    pub size: u64,
}

/// A layer as it is stored, and as it was before encryption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedLayer {
    /// The stored blob.
    pub stored: SealedBlob,
    /// The layer before encryption, or `None` for a layer in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<PlainLayer>,
    /// The digest of the uncompressed layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<DiffId>,
    /// The annotations before encryption.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A layer before encryption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlainLayer {
    /// The type of the bytes.
    pub media_type: MediaType,
    /// The digest of the bytes, if the writer knew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A reader, to whom the layers' keys are wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedReader {
    /// The public name of the reader, which readers alone see.
    pub hint: String,
    /// The digests of the items that are wrapped to the reader: one for each encrypted layer,
    /// lowest first.
    pub items: Vec<Digest>,
}

impl SealedBlob {
    /// Takes the blob that `descriptor` names.
    pub fn of(descriptor: &Descriptor) -> Self {
        let Descriptor { media_type, digest, size, .. } = descriptor;
        Self { media_type: media_type.clone(), digest: *digest, size: *size }
    }

    /// Tells whether `descriptor` names this blob.
    pub fn is_named_by(&self, descriptor: &Descriptor) -> bool {
        *self == Self::of(descriptor)
    }

    /// Returns a descriptor of the blob.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.clone(), self.digest, self.size)
    }
}

impl SealedRecord {
    /// Makes the record of an image with `config` and `layers`. `source` has the image's remarks.
    pub(crate) fn new(
        config: SealedBlob,
        layers: Vec<SealedLayer>,
        source: &SourceRemarks,
        sealing: &Sealing,
    ) -> Self {
        let mut record = Self {
            config,
            layers,
            platform: source.platform.clone(),
            remarks: source.remarks.clone(),
            index: sealing.table.clone(),
            home: sealing.home.clone(),
            readers: Vec::new(),
            manifest: None,
        };
        record.manifest = source
            .manifest
            .as_ref()
            .filter(|raw| record.gives(raw))
            .map(|raw| STANDARD.encode(raw.bytes()));
        record
    }

    /// Returns the manifest from before encryption, or `None` if the record does not have its
    /// bytes.
    ///
    /// # Errors
    /// The bytes do not agree with the record.
    pub(crate) fn manifest(&self) -> Result<Option<RawManifest>, ContradictoryManifest> {
        let Some(text) = &self.manifest else { return Ok(None) };
        let bytes = STANDARD.decode(text).map_err(|_| ContradictoryManifest)?;
        let raw = RawManifest::recognise(None, bytes).map_err(|_| ContradictoryManifest)?;
        if self.gives(&raw) { Ok(Some(raw)) } else { Err(ContradictoryManifest) }
    }

    /// Tells whether decryption of this image gives the manifest `raw`.
    fn gives(&self, raw: &RawManifest) -> bool {
        let Ok(manifest) = Manifest::parse(raw) else { return false };
        let layers = manifest.layers.iter().map(|layer| Some(layer.digest));
        let plain = self.layers.iter().map(|layer| match &layer.plain {
            Some(plain) => plain.digest,
            None => Some(layer.stored.digest),
        });
        manifest.config.digest == self.config.digest
            && manifest.remarks == self.remarks
            && layers.eq(plain)
    }
}

/// Says that the manifest in a record belongs to another image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContradictoryManifest;

/// The remarks of an image before encryption, without its config's and layers' bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceRemarks {
    /// The platform that the config names.
    platform: Option<Platform>,
    remarks: Remarks,
    annotations: Vec<BTreeMap<String, String>>,
    digests: Vec<Option<Digest>>,
    manifest: Option<RawManifest>,
}

impl SourceRemarks {
    /// Reads `image`, whose config names `platform`.
    pub(crate) fn of(image: &Image, platform: Option<Platform>) -> Self {
        let annotations = image
            .layers
            .iter()
            .map(|layer| layer.descriptor().map(|of| of.annotations.clone()).unwrap_or_default());
        Self {
            platform,
            remarks: image.remarks.clone(),
            annotations: annotations.collect(),
            digests: image.layers.iter().map(Layer::digest).collect(),
            manifest: image.manifest.clone(),
        }
    }

    /// Takes an image of which only the `platform` is known.
    pub(crate) fn without(platform: Option<Platform>) -> Self {
        Self { platform, ..Self::default() }
    }

    /// Tells whether the layer at `place` came with the bytes of `digest`.
    pub(crate) fn kept(&self, place: usize, digest: Option<Digest>) -> Kept {
        match self.digests.get(place) {
            Some(&came) if came.is_some() && came == digest => Kept::Bytes,
            _ => Kept::Nothing,
        }
    }

    /// Returns the annotations of the layer at `place`. If the layer was compressed anew,
    /// annotations that describe its bytes are left out.
    pub(crate) fn annotations(&self, place: usize, kept: Kept) -> BTreeMap<String, String> {
        let mut annotations = self.annotations.get(place).cloned().unwrap_or_default();
        if kept == Kept::Nothing {
            annotations.retain(|key, _| !DESCRIBE_BYTES.iter().any(|of| key.starts_with(of)));
        }
        annotations
    }
}

/// Tells whether a layer was stored with the bytes that it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The layer kept its compressed bytes.
    Bytes,
    /// The layer was compressed anew.
    Nothing,
}

/// The beginnings of annotations that describe compressed bytes: the tables of contents of stargz
/// and zstd:chunked.
const DESCRIBE_BYTES: [&str; 3] = [
    "containerd.io/snapshot/stargz/",
    "io.containers.estargz.",
    "io.github.containers.zstd-chunked.",
];

#[cfg(test)]
mod tests {
    use sealcrate_image::Family;

    use super::scene::Scene;
    use super::*;

    /// Returns a changed form of the manifest that decryption of a scene gives, still sealed in the
    /// record.
    fn sealed(
        change: impl FnOnce(&mut Manifest),
    ) -> Result<Option<RawManifest>, ContradictoryManifest> {
        let Scene { mut record, mut manifest, .. } =
            Scene::new(Family::Oci, MediaType::OCI_LAYER_GZIP);
        record.remarks.annotations.insert("key".to_owned(), "value".to_owned());
        manifest.layers[1].digest = Scene::private();
        manifest.remarks = record.remarks.clone();
        change(&mut manifest);
        record.manifest = Some(STANDARD.encode(manifest.to_raw().bytes()));
        record.manifest()
    }

    #[test]
    fn sealed_manifest_of_another_image_or_with_other_words_is_a_contradiction() {
        assert!(sealed(|_| ()).unwrap().is_some());
        let other = Descriptor::of(MediaType::OCI_MANIFEST, b"other");
        let changes: [&dyn Fn(&mut Manifest); 7] = [
            &|manifest| manifest.config.digest = other.digest,
            &|manifest| manifest.layers[0].digest = other.digest,
            &|manifest| manifest.layers[1].digest = other.digest,
            &|manifest| drop(manifest.layers.pop()),
            &|manifest| manifest.remarks.annotations.clear(),
            &|manifest| manifest.remarks.artifact_type = Some(MediaType::OCI_CONFIG),
            &|manifest| manifest.remarks.subject = Some(other.clone()),
        ];
        for change in changes {
            assert_eq!(sealed(change), Err(ContradictoryManifest));
        }
    }
}
