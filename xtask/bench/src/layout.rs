//! OCI image layouts, written by hand, so that no tool reads its own output.

use std::fs::{self, File};
use std::io::{Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// The tag of the image in a layout.
pub(super) const TAG: &str = "image";

const OCI: &str = "application/vnd.oci.image";

/// How the layers of a layout are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
}

/// A file in a layout, named by its digest.
pub(super) struct Blob {
    path: PathBuf,
    hex: String,
    size: u64,
}

impl Blob {
    /// Gives a file, which is in `folder`, its place in the layout there.
    pub(super) fn keep(folder: &Path, mut file: NamedTempFile) -> anyhow::Result<Self> {
        file.rewind()?;
        let hex = digest(file.as_file_mut())?;
        let size = file.as_file().metadata()?.len();
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        let path = blobs.join(&hex);
        file.persist(&path)?;
        Ok(Self { path, hex, size })
    }

    fn of_text(folder: &Path, text: &str) -> anyhow::Result<Self> {
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        Self::keep(folder, file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns `sha256:HEX`.
    pub(super) fn digest(&self) -> String {
        format!("sha256:{}", self.hex)
    }

    /// In bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn describe(&self, media_type: &str) -> serde_json::Value {
        json!({ "mediaType": media_type, "digest": self.digest(), "size": self.size })
    }
}

/// Writes all of the layout at `folder` but its layers, which are there.
pub(super) fn write(
    folder: &Path,
    layers: &[Blob],
    packing: Packing,
    config: &str,
) -> anyhow::Result<()> {
    let suffix = if packing == Packing::Gzip { "+gzip" } else { "" };
    let media_type = format!("{OCI}.layer.v1.tar{suffix}");
    let config = Blob::of_text(folder, config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": config.describe(&format!("{OCI}.config.v1+json")),
        "layers": layers.iter().map(|layer| layer.describe(&media_type)).collect::<Vec<_>>(),
    });
    let manifest = Blob::of_text(folder, &manifest.to_string())?;
    let mut described = manifest.describe(&format!("{OCI}.manifest.v1+json"));
    described["annotations"] = json!({ "org.opencontainers.image.ref.name": TAG });
    let index = json!({ "schemaVersion": 2, "manifests": [described] });
    fs::write(folder.join("index.json"), index.to_string())?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

/// Writes a layout of the same layers, each as `gzip` compresses it.
pub(super) fn write_gzipped(folder: &Path, layers: &[Blob], config: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut gzipped = Vec::new();
    for layer in layers {
        let output = NamedTempFile::new_in(folder)?;
        let status = Command::new("gzip")
            .args(["-6", "--no-name", "--stdout"])
            .stdin(Stdio::from(File::open(layer.path())?))
            .stdout(Stdio::from(output.reopen()?))
            .status()
            .context("cannot run gzip")?;
        ensure!(status.success(), "gzip failed ({status})");
        gzipped.push(Blob::keep(folder, output)?);
    }
    write(folder, &gzipped, Packing::Gzip, config)
}

/// Returns the SHA-256 of what `file` has from here on, in hexadecimal.
fn digest(file: &mut File) -> anyhow::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}
