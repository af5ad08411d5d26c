//! OCI layouts, blob by blob.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::digest_of;

/// The media type of manifests.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of indexes.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of configs.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of layers without compression.
pub(super) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A folder in OCI image layout.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Makes a layout without a name in it.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn create(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).expect("the layout can be written");
        let layout = Self { folder };
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    /// Opens an existing layout.
    ///
    /// # Panics
    /// If there is none.
    pub fn open(folder: PathBuf) -> Self {
        assert!(folder.join("oci-layout").is_file());
        Self { folder }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).expect("the layout can be written");
    }

    fn blob_file(digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("digests are sha256");
        Path::new("blobs/sha256").join(hex)
    }

    /// Adds a blob and returns its descriptor.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn add(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest_of(bytes);
        fs::write(self.folder.join(Self::blob_file(&digest)), bytes)
            .expect("the layout can be written");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Returns the bytes of a blob.
    ///
    /// # Panics
    /// If it is not there.
    pub fn blob(&self, digest: &str) -> Vec<u8> {
        fs::read(self.folder.join(Self::blob_file(digest))).expect("the blob is there")
    }

    /// Adds the manifest of an image whose config and layers are there.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn add_manifest(&self, config: &Value, layers: &[Value]) -> Value {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
        });
        self.add(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Adds an index of manifests.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn add_index(&self, manifests: &[Value]) -> Value {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        self.add(OCI_INDEX, index.to_string().as_bytes())
    }

    /// Names a manifest or index `latest`, as the only one.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn name(&self, descriptor: &Value) {
        self.name_as(descriptor, "latest");
    }

    /// Gives a manifest or index a name, as the only one.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn name_as(&self, descriptor: &Value, name: &str) {
        let mut descriptor = descriptor.clone();
        descriptor["annotations"]["org.opencontainers.image.ref.name"] = name.into();
        self.list(&[descriptor]);
    }

    /// Lists manifests and indexes, in place of all that were listed.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn list(&self, descriptors: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": descriptors });
        self.write("index.json", index.to_string().as_bytes());
    }

    /// Returns the descriptor of the only manifest or index that is listed.
    ///
    /// # Panics
    /// If there are none or several.
    pub fn root(&self) -> Value {
        let bytes = fs::read(self.folder.join("index.json")).expect("the layout has an index");
        let index: Value = serde_json::from_slice(&bytes).expect("the index is JSON");
        assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1), "{index}");
        index["manifests"][0].clone()
    }

    /// Returns the digest of [`Self::root`].
    ///
    /// # Panics
    /// Like [`Self::root`].
    pub fn root_digest(&self) -> String {
        self.root()["digest"].as_str().expect("descriptors have digests").to_owned()
    }

    /// Returns the JSON that a descriptor names.
    ///
    /// # Panics
    /// If it is not there, or is no JSON.
    pub fn json(&self, descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().expect("descriptors have digests");
        serde_json::from_slice(&self.blob(digest)).expect("the blob holds JSON")
    }
}
