//! The demo's image: made from nothing, and compared with what has been through sealcrate.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use sealcrate_image::layout::{LayoutSink, LayoutSource};
use sealcrate_image::{
    Artifact, Descriptor, DiffId, Digest, Family, Image, Layer, Leftovers, MediaType, Outgoing,
    Platform, Quiet, Sink, Source,
};
use serde_json::json;

/// The secret in the private layer and in the config.
pub(super) const SECRET: &str = "we open the second bakery in May";

/// Writes an image of two layers, of which the upper one is private, to a layout under the name "1".
/// Its command prints the secret, if the lower layer has a `busybox` to do so.
pub(super) fn write(layout: &Path, busybox: Option<&Path>) -> anyhow::Result<()> {
    let mut public = vec![("public.txt", 0o644, b"anybody may read this\n".to_vec())];
    if let Some(busybox) = busybox {
        public.push(("bin/busybox", 0o755, fs::read(busybox)?));
    }
    let private = vec![("plans.txt", 0o644, format!("{SECRET}\n").into_bytes())];
    let tars = [tar(&public)?, tar(&private)?];
    let diff_ids = tars.each_ref().map(|tar| DiffId(Digest::of(tar)));
    let platform = Platform::of_this_machine();
    let config = json!({
        "created": "2026-01-01T00:00:00Z",
        "architecture": platform.architecture,
        "variant": platform.variant,
        "os": platform.os,
        "config": {
            "Env": [format!("PLANS={SECRET}")],
            "Cmd": ["/bin/busybox", "cat", "/plans.txt"],
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [
            { "created_by": "COPY public.txt busybox /" },
            { "created_by": "COPY plans.txt /" },
        ],
    });
    let layers = tars.into_iter().zip(diff_ids).map(|(tar, diff_id)| {
        let descriptor = Descriptor::of(MediaType::OCI_LAYER, &tar);
        Layer::stored(descriptor, Some(diff_id), Arc::new(tar))
    });
    let image = Image::new(config.to_string().into_bytes(), layers.collect());
    let image = image.with_manifest(Family::Oci)?;
    let sink = LayoutSink::create(layout, Some("1"), &Leftovers::default())?;
    for layer in &image.layers {
        sink.put(layer, &Quiet)?;
    }
    sink.commit(&Outgoing::built(image))?;
    Ok(())
}

/// Compares what two layouts name "1": the configs, and the layers byte for byte, decompressed.
///
/// # Errors
/// Says what differs.
pub(super) fn compare(one: &Path, other: &Path) -> anyhow::Result<()> {
    let (one, other) = (read(one)?, read(other)?);
    ensure!(one.config == other.config, "the configs differ");
    ensure!(one.layers.len() == other.layers.len(), "the images have different numbers of layers");
    for (place, (one, other)) in one.layers.iter().zip(&other.layers).enumerate() {
        ensure!(content(one)? == content(other)?, "the layers at {place} differ");
    }
    Ok(())
}

fn read(layout: &Path) -> anyhow::Result<Image> {
    let source: Arc<dyn Source> = Arc::new(LayoutSource::open(layout, Some("1"))?);
    Ok(Artifact::read(&source)?.into_image(&source, None)?)
}

fn content(layer: &Layer) -> anyhow::Result<Vec<u8>> {
    let mut tar = Vec::new();
    layer.open_unpacked()?.read_to_end(&mut tar)?;
    Ok(tar)
}

fn tar(files: &[(&str, u32, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_slice())?;
    }
    Ok(tar.into_inner()?)
}
