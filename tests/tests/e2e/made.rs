//! OCI layouts made by hand, independently of the product's own writer.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::machine::Machine;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The platform of the machine that the tests run on.
pub(crate) fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        other => panic!("what do images call {other}?"),
    }
}

/// `sha256:…` of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex = digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut hex, byte| {
        hex.push_str(&format!("{byte:02x}"));
        hex
    });
    format!("sha256:{hex}")
}

/// A folder in OCI image layout.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Makes an empty layout.
    pub(crate) fn create(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).expect("the sandbox can be written");
        let layout = Self { folder };
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    /// Opens an existing layout.
    pub(crate) fn open(folder: PathBuf) -> Self {
        assert!(folder.join("oci-layout").is_file());
        Self { folder }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).expect("the sandbox can be written");
    }

    fn blob_file(digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("digests are sha256");
        Path::new("blobs/sha256").join(hex)
    }

    /// Adds a blob and returns its descriptor.
    pub(crate) fn add(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        fs::write(self.folder.join(Self::blob_file(&digest)), bytes)
            .expect("the sandbox can be written");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        fs::read(self.folder.join(Self::blob_file(digest))).expect("the blob is there")
    }

    /// Adds an image with one layer for each text, in a file `/0`, `/1`, …
    ///
    /// `more` are members that the config gets besides the required ones.
    pub(crate) fn add_image(&self, platform: &str, texts: &[&str], more: Value) -> Value {
        let (os, architecture) = platform.split_once('/').expect("platforms have a slash");
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for (place, text) in texts.iter().enumerate() {
            let tar = tar_of(&place.to_string(), text.as_bytes());
            diff_ids.push(sha256(&tar));
            layers.push(self.add(OCI_LAYER, &gzip(&tar)));
        }
        let history: Vec<_> = (0..texts.len())
            .map(|place| json!({ "created_by": format!("COPY {place}") }))
            .collect();
        let mut config = json!({
            "architecture": architecture,
            "os": os,
            "config": { "Env": ["PATH=/bin"] },
            "history": history,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        let config = self.add(OCI_CONFIG, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
        });
        let mut descriptor = self.add(OCI_MANIFEST, manifest.to_string().as_bytes());
        descriptor["platform"] = json!({ "os": os, "architecture": architecture });
        descriptor
    }

    /// Adds an index of manifests.
    pub(crate) fn add_index(&self, manifests: &[Value]) -> Value {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        self.add(OCI_INDEX, index.to_string().as_bytes())
    }

    /// Names a manifest or index `latest`.
    pub(crate) fn name(&self, descriptor: &Value) {
        let mut descriptor = descriptor.clone();
        descriptor["annotations"]["org.opencontainers.image.ref.name"] = "latest".into();
        let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
        self.write("index.json", index.to_string().as_bytes());
    }

    /// The descriptor of the only manifest or index that has a name.
    pub(crate) fn root(&self) -> Value {
        let bytes = fs::read(self.folder.join("index.json")).expect("the layout has an index");
        let index: Value = serde_json::from_slice(&bytes).expect("the index is JSON");
        assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1), "{index}");
        index["manifests"][0].clone()
    }

    /// The digest of [`Self::root`].
    pub(crate) fn root_digest(&self) -> String {
        self.root()["digest"].as_str().expect("descriptors have digests").to_owned()
    }

    /// The JSON that a descriptor names.
    pub(crate) fn json(&self, descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().expect("descriptors have digests");
        serde_json::from_slice(&self.blob(digest)).expect("the blob holds JSON")
    }
}

impl Machine {
    /// Makes the layout `oci:NAME:latest` with an image that has a layer for each text.
    pub(crate) fn layout(&self, name: &str, texts: &[&str]) -> Layout {
        let layout = Layout::create(self.path(name));
        layout.name(&layout.add_image(platform(), texts, Value::Null));
        layout
    }
}

fn tar_of(path: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, content).expect("memory can be written");
    tar.into_inner().expect("memory can be written")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory can be written");
    gzip.finish().expect("memory can be written")
}
