//! An image whose documents a stranger can all change, and the machine of its reader.

use std::fs;
use std::path::PathBuf;

use sealcrate_test_kit::{Layout, OCI_CONFIG, digest_of};
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

    fn layout(&self) -> Layout {
        Layout::create(self.path("image"))
    }

    /// Adds the members that a descriptor lacks.
    pub(crate) fn fill(&self, descriptor: &mut Value, media_type: &str, bytes: &[u8]) {
        let whole = self.layout().add(media_type, bytes);
        for (member, value) in whole.as_object().expect("it is an object") {
            if descriptor.get(member).is_none() {
                descriptor[member] = value.clone();
            }
        }
    }

    /// Writes the image.
    pub(crate) fn write(&mut self) {
        let diff_id = digest_of(&self.layer);
        self.config["rootfs"] = json!({ "type": "layers", "diff_ids": [diff_id] });
        let mut manifest = self.manifest.clone();
        self.fill(&mut manifest["layers"][0], LAYER, &self.layer);
        let config = self.config.to_string();
        self.fill(&mut manifest["config"], OCI_CONFIG, config.as_bytes());
        let mut entry = self.entry.clone();
        self.fill(&mut entry, MANIFEST, manifest.to_string().as_bytes());
        self.write_index(&[entry]);
    }

    pub(crate) fn write_index(&self, entries: &[Value]) {
        self.layout().list(entries);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.sandbox.sealcrate().args(arguments))
    }
}
