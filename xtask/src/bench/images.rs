//! The images that are measured: archives for `docker load`, made of this machine's files.
//!
//! The same files make the same image. Archives are kept between runs, in the target folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::tell;

/// What an image is made of.
pub(super) struct Recipe {
    /// What tables call it.
    pub(super) name: &'static str,
    /// The layers, lowest first.
    pub(super) layers: &'static [LayerRecipe],
}

/// What a layer is made of.
pub(super) struct LayerRecipe {
    /// How many megabytes of files it has, or a little more.
    megabytes: u64,
    pub(super) content: Content,
}

/// Whether a layer is to be encrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Clear,
    Private,
}

const fn layer(megabytes: u64, content: Content) -> LayerRecipe {
    LayerRecipe { megabytes, content }
}

/// What is measured.
pub(super) const FULL: [Recipe; 2] = [
    Recipe {
        name: "330 MB, 1 clear and 3 private layers",
        layers: &[
            layer(90, Content::Clear),
            layer(140, Content::Private),
            layer(90, Content::Private),
            layer(10, Content::Private),
        ],
    },
    Recipe { name: "1.1 GB, 1 private layer", layers: &[layer(1100, Content::Private)] },
];

/// What is measured in a hurry.
pub(super) const QUICK: [Recipe; 1] = [Recipe {
    name: "60 MB, 1 clear and 3 private layers",
    layers: &[
        layer(15, Content::Clear),
        layer(25, Content::Private),
        layer(15, Content::Private),
        layer(5, Content::Private),
    ],
}];

/// The name that the images have in the engine.
pub(super) const TAG: &str = "sealcrate-bench:image";

/// Files larger than this would make one image unlike another.
const LARGEST: u64 = 32 << 20;

/// Returns the archive of an image, made now unless it was kept in `folder`.
pub(super) fn archive(recipe: &Recipe, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(file_name(recipe));
    if path.exists() {
        return Ok(path);
    }
    tell(&format!("making the image of {}", recipe.name));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    write_archive(recipe, BufWriter::new(file.as_file_mut()))?;
    file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Names an archive by what it is made of, so that another recipe makes another archive.
fn file_name(recipe: &Recipe) -> String {
    let sizes: Vec<_> = recipe.layers.iter().map(|layer| layer.megabytes.to_string()).collect();
    format!("image-{}.tar", sizes.join("-"))
}

fn write_archive(recipe: &Recipe, output: impl Write) -> anyhow::Result<()> {
    let mut files = machine_files()?.into_iter();
    let mut archive = tar::Builder::new(output);
    let (mut diff_ids, mut names) = (Vec::new(), Vec::new());
    for (place, layer) in recipe.layers.iter().enumerate() {
        let mut tar = write_layer(&mut files, layer.megabytes * 1_000_000)?;
        diff_ids.push(format!("sha256:{}", digest(&mut tar)?));
        names.push(format!("{place}.tar"));
        let size = tar.metadata()?.len();
        tar.rewind()?;
        append(&mut archive, Path::new(&names[place]), size, 0o644, &mut BufReader::new(tar))?;
    }
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": names.iter().map(|name| json!({ "created_by": name })).collect::<Vec<_>>(),
    })
    .to_string();
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [TAG], "Layers": names }]).to_string();
    for (name, text) in [("config.json", config), ("manifest.json", manifest)] {
        let size = text.len() as u64;
        append(&mut archive, Path::new(name), size, 0o644, &mut text.as_bytes())?;
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

/// Writes the next files to a tar in an unnamed file, until it has `size` bytes of them.
fn write_layer(files: &mut impl Iterator<Item = PathBuf>, size: u64) -> anyhow::Result<File> {
    let mut tar = tar::Builder::new(BufWriter::new(tempfile::tempfile()?));
    let mut written = 0;
    while written < size {
        let path = files.next().context("this machine has too few files for the images")?;
        // Not everybody may read every file.
        let Ok(mut file) = File::open(&path) else { continue };
        let len = file.metadata()?.len();
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

/// Lists programs, libraries and texts in an order that mixes them, the same each time.
pub(super) fn machine_files() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> =
        ["/usr/bin", "/usr/lib", "/usr/share"].map(PathBuf::from).into();
    if let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output() {
        folders.push(PathBuf::from(OsStr::from_bytes(output.stdout.trim_ascii())).join("lib"));
    }
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file() && (1..=LARGEST).contains(&metadata.len()) {
                files.push(entry.path());
            }
        }
    }
    files.sort_by_cached_key(|path| <[u8; 32]>::from(Sha256::digest(path.as_os_str().as_bytes())));
    Ok(files)
}

fn digest(file: &mut File) -> anyhow::Result<String> {
    file.rewind()?;
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
