//! An image whose documents a stranger can all change, and the machine of its reader.

use std::fs;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use sealcrate_tests::{Done, Sandbox};
use serde_json::{Value, json};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An image in the layout `image`, whose documents a stranger can change before they are written.
pub(crate) struct Stranger {
    pub(crate) sandbox: Sandbox,
    pub(crate) config: Value,
    pub(crate) manifest: Value,
    pub(crate) entry: Value,
    /// The tar file of the only layer.
    pub(crate) layer: Vec<u8>,
}

impl Stranger {
    pub(crate) fn new() -> Self {
        let config = json!({
            "architecture": "amd64", "os": "linux",
            "config": { "Env": ["PATH=/bin"] },
            "history": [{ "created_by": "COPY it" }],
        });
        let layer = json!({ "mediaType": LAYER });
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer] });
        let sandbox = Sandbox::new();
        fs::write(sandbox.work().join("key"), "the passphrase of a reader")
            .expect("the sandbox can be written");
        let entry = json!({ "annotations": { REF_NAME: "it" } });
        Self { sandbox, config, manifest, entry, layer: vec![0; 1024] }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.work().join(name)
    }

    fn store(&self, bytes: &[u8]) -> String {
        let hash = digest(&SHA256, bytes);
        let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let blobs = self.path("image/blobs/sha256");
        fs::create_dir_all(&blobs).expect("the sandbox can be written");
        fs::write(blobs.join(&hex), bytes).expect("the sandbox can be written");
        format!("sha256:{hex}")
    }

    /// Adds the members that a descriptor lacks.
    pub(crate) fn fill(&self, descriptor: &mut Value, media_type: &str, bytes: &[u8]) {
        let whole = json!({
            "mediaType": media_type, "digest": self.store(bytes), "size": bytes.len(),
        });
        for (member, value) in whole.as_object().expect("it is an object") {
            if descriptor.get(member).is_none() {
                descriptor[member] = value.clone();
            }
        }
    }

    /// Writes the image.
    pub(crate) fn write(&mut self) {
        let diff_id = self.store(&self.layer);
        self.config["rootfs"] = json!({ "type": "layers", "diff_ids": [diff_id] });
        let mut manifest = self.manifest.clone();
        self.fill(&mut manifest["layers"][0], LAYER, &self.layer);
        let config = self.config.to_string();
        let config_type = "application/vnd.oci.image.config.v1+json";
        self.fill(&mut manifest["config"], config_type, config.as_bytes());
        let mut entry = self.entry.clone();
        self.fill(&mut entry, MANIFEST, manifest.to_string().as_bytes());
        self.write_index(&[entry]);
    }

    pub(crate) fn write_index(&self, entries: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": entries });
        fs::write(self.path("image/index.json"), index.to_string())
            .expect("the sandbox can be written");
        fs::write(self.path("image/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("the sandbox can be written");
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.sandbox.sealcrate().args(arguments))
    }
}
