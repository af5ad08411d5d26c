//! Images made of this machine's files: as archives for `docker load`, and as OCI layouts.
//!
//! They are kept between runs, in the target folder.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::json;
use tempfile::NamedTempFile;

use super::recipe::{Privacy, Recipe};
use crate::files;
use crate::layout::{self, Blob, Packing};
use crate::steps::tell;

/// How much of a layer's wanted size it may have beyond that: files are not cut.
const TOLERANCE: u64 = 20;

/// Which of two images that differ in their top layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Original,
    Changed,
}

impl Variant {
    /// Returns its name in the engine.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Original => "sealcrate-bench:original",
            Self::Changed => "sealcrate-bench:changed",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Original => "original.tar",
            Self::Changed => "changed.tar",
        }
    }
}

/// An image that was made.
pub(super) struct Image {
    recipe: &'static Recipe,
    folder: PathBuf,
}

impl Image {
    /// Makes an image, unless it was kept in `folder`.
    pub(super) fn kept_in(folder: &Path, recipe: &'static Recipe) -> anyhow::Result<Self> {
        let image = Self { recipe, folder: folder.join("images").join(recipe.short) };
        if image.folder.exists() {
            return Ok(image);
        }
        tell(&format!("making the image of {}", recipe.name));
        let parent = folder.join("images");
        fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let unfinished = tempfile::tempdir_in(&parent)?;
        make(recipe, unfinished.path())?;
        fs::rename(unfinished.keep(), &image.folder)?;
        Ok(image)
    }

    pub(super) fn recipe(&self) -> &'static Recipe {
        self.recipe
    }

    /// Returns the archive for `docker load`.
    pub(super) fn archive(&self, variant: Variant) -> PathBuf {
        self.folder.join(variant.file())
    }

    /// Returns the OCI layout with layers as gzip makes them.
    pub(super) fn gzipped(&self) -> PathBuf {
        self.folder.join("gzipped")
    }

    /// Returns the OCI layout with layers that are not compressed.
    pub(super) fn uncompressed(&self) -> PathBuf {
        self.folder.join("uncompressed")
    }
}

fn make(recipe: &Recipe, folder: &Path) -> anyhow::Result<()> {
    let mut files = files::all()?.into_iter();
    let uncompressed = folder.join("uncompressed");
    fs::create_dir(&uncompressed)?;
    let mut layers = Vec::new();
    for layer in recipe.layers {
        let tar = write_layer(&uncompressed, &mut files, layer.megabytes * 1_000_000)?;
        layers.push(Blob::keep(&uncompressed, tar)?);
    }
    let config = config(recipe, &layers);
    layout::write(&uncompressed, &layers, Packing::None, &config)?;
    layout::write_gzipped(&folder.join("gzipped"), &layers, &config)?;
    write_archive(folder, Variant::Original, &layers, &config)?;
    if recipe.changes() {
        let top = recipe.layers.last().context("an image has a layer")?;
        let tar = write_layer(folder, &mut files, top.megabytes * 1_000_000)?;
        layers.pop();
        layers.push(Blob::keep(folder, tar)?);
        write_archive(folder, Variant::Changed, &layers, &self::config(recipe, &layers))?;
    }
    Ok(())
}

/// Names layers, and sets crypto-cli's label for those that are private.
fn config(recipe: &Recipe, layers: &[Blob]) -> String {
    let mut history = Vec::new();
    let mut before = Privacy::Clear;
    for (place, layer) in recipe.layers.iter().enumerate() {
        if layer.privacy != before {
            before = layer.privacy;
            let on = before == Privacy::Private;
            let label = format!("/bin/sh -c #(nop)  LABEL com.senetas.crypto.enabled={on}");
            history.push(json!({ "created_by": label, "empty_layer": true }));
        }
        history.push(json!({ "created_by": format!("layer {place}") }));
    }
    let diff_ids: Vec<String> = layers.iter().map(Blob::digest).collect();
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    })
    .to_string()
}

fn write_archive(
    folder: &Path,
    variant: Variant,
    layers: &[Blob],
    config: &str,
) -> anyhow::Result<()> {
    let path = folder.join(variant.file());
    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    let names: Vec<String> = (0..layers.len()).map(|place| format!("{place}.tar")).collect();
    for (layer, name) in layers.iter().zip(&names) {
        let mut tar = BufReader::new(File::open(layer.path())?);
        append(&mut archive, Path::new(name), layer.size(), 0o644, &mut tar)?;
    }
    let tag = variant.tag();
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [tag], "Layers": names }]).to_string();
    for (name, text) in [("config.json", config), ("manifest.json", &manifest)] {
        let size = text.len() as u64;
        append(&mut archive, Path::new(name), size, 0o644, &mut text.as_bytes())?;
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

/// Writes the next files to a tar in `folder`, until it has about `size` bytes of them.
fn write_layer(
    folder: &Path,
    files: &mut impl Iterator<Item = PathBuf>,
    size: u64,
) -> anyhow::Result<NamedTempFile> {
    let mut tar = tar::Builder::new(BufWriter::new(NamedTempFile::new_in(folder)?));
    let mut written = 0;
    while written < size {
        let path = files.next().context("this machine has too few files for the images")?;
        // Not everybody may read every file.
        let Ok(mut file) = File::open(&path) else { continue };
        let len = file.metadata()?.len();
        if written + len > size + size / TOLERANCE {
            continue;
        }
        let name = path.strip_prefix("/")?;
        append(&mut tar, name, len, 0o755, &mut file)?;
        written += len;
    }
    Ok(tar.into_inner()?.into_inner()?)
}

/// Writes an entry whose header tells nothing of the machine but the name.
fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &Path,
    size: u64,
    mode: u32,
    bytes: &mut dyn Read,
) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    let mut bytes = bytes.take(size);
    tar.append_data(&mut header, name, &mut bytes)?;
    ensure!(bytes.limit() == 0, "{} has become shorter", name.display());
    Ok(())
}
