//! OCI layouts made by hand on a machine, independently of the product's own writer.

use serde_json::Value;

use crate::machine::Machine;

pub(crate) use sealcrate_test_kit::{
    Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest_of as sha256,
};

/// The platform of the machine that the tests run on.
pub(crate) fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        other => panic!("what do images call {other}?"),
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
