//! An image in memory, which becomes part of a layout or an archive.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::layout::{Layout, OCI_CONFIG, OCI_LAYER};
use super::tar::Tar;
use crate::digest_of;

/// An image with small layers.
#[derive(Clone, Debug)]
pub struct Image {
    tars: Vec<Vec<u8>>,
    /// The layers as they are stored: the tars, or compressed.
    blobs: Vec<Vec<u8>>,
    /// The end of the type of the layers, after [`OCI_LAYER`].
    suffix: &'static str,
    config: Value,
}

impl Image {
    /// Makes an image for `linux/amd64` of layers that are such tars, lowest first, without
    /// compression.
    pub fn of(tars: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let tars: Vec<_> = tars.into_iter().collect();
        let diff_ids: Vec<_> = tars.iter().map(|tar| digest_of(tar)).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        Self { blobs: tars.clone(), tars, suffix: "", config }
    }

    /// Makes an image of layers of one file each, with a history.
    pub fn of_files(files: &[(&str, &[u8])]) -> Self {
        let history: Vec<_> =
            files.iter().map(|(name, _)| json!({ "created_by": format!("COPY {name}") })).collect();
        Self::of(files.iter().map(|(name, bytes)| Tar::new().file(name, bytes).bytes()))
            .with("history", json!(history))
    }

    /// Compresses the layers.
    #[must_use]
    pub fn gzipped(mut self) -> Self {
        self.blobs = self.tars.iter().map(|tar| gzip(tar)).collect();
        self.suffix = "+gzip";
        self
    }

    /// Sets a member of the config.
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.config[member] = value;
        self
    }

    /// Returns the config.
    pub fn config(&self) -> Vec<u8> {
        self.config.to_string().into_bytes()
    }

    /// Returns the digest of the config.
    pub fn id(&self) -> String {
        digest_of(&self.config())
    }

    /// Returns the digests of the tars, lowest first.
    pub fn diff_ids(&self) -> Vec<String> {
        self.tars.iter().map(|tar| digest_of(tar)).collect()
    }

    /// Adds the image to a layout, and returns its descriptor.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn add_to(&self, layout: &Layout) -> Value {
        let media_type = format!("{OCI_LAYER}{}", self.suffix);
        let layers: Vec<_> = self.blobs.iter().map(|blob| layout.add(&media_type, blob)).collect();
        layout.add_manifest(&layout.add(OCI_CONFIG, &self.config()), &layers)
    }

    /// Returns the image as an archive of `docker save`, under these tags.
    pub fn archive(&self, tags: &[&str]) -> Vec<u8> {
        let names: Vec<_> = (0..self.blobs.len()).map(|place| format!("{place}.tar")).collect();
        let mut archive = Tar::new().file("config.json", &self.config());
        for (name, blob) in names.iter().zip(&self.blobs) {
            archive = archive.file(name, blob);
        }
        archive
            .images(&json!([{ "Config": "config.json", "RepoTags": tags, "Layers": names }]))
            .bytes()
    }
}

/// Compresses bytes with gzip.
///
/// # Panics
/// Never: memory can be written.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory can be written");
    gzip.finish().expect("memory can be written")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn image() -> Image {
        Image::of_files(&[("low", b"1"), ("high", b"2")]).with("created", json!("now"))
    }

    #[test]
    fn a_layout_names_all_parts_of_the_image_by_their_digests() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path().join("layout"));
        layout.name_as(&image().gzipped().add_to(&layout), "it");
        let layout = Layout::open(folder.path().join("layout"));
        assert_eq!(layout.root()["annotations"]["org.opencontainers.image.ref.name"], "it");
        let manifest = layout.json(&layout.root());
        let config = layout.json(&manifest["config"]);
        assert_eq!(
            (&config["created"], config["history"].as_array().unwrap().len()),
            (&json!("now"), 2)
        );
        for (place, name) in ["low", "high"].into_iter().enumerate() {
            let layer = &manifest["layers"][place];
            let blob = layout.blob(layer["digest"].as_str().unwrap());
            assert_eq!(layer["size"], blob.len());
            let mut tar = Vec::new();
            flate2::read::GzDecoder::new(&*blob).read_to_end(&mut tar).unwrap();
            assert_eq!(config["rootfs"]["diff_ids"][place], digest_of(&tar));
            let mut archive = tar::Archive::new(&*tar);
            let file = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(file.path().unwrap().to_str(), Some(name));
        }
    }

    #[test]
    fn an_archive_has_the_config_the_layers_and_the_list() {
        let (image, bytes) = (image(), image().archive(&["app:1"]));
        let mut archive = tar::Archive::new(&*bytes);
        let files = archive.entries().unwrap().map(|file| {
            let mut file = file.unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            (file.path().unwrap().display().to_string(), content)
        });
        let files: Vec<_> = files.collect();
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["config.json", "0.tar", "1.tar", "manifest.json"]);
        assert_eq!(digest_of(&files[0].1), image.id());
        let digests: Vec<_> = files[1..3].iter().map(|(_, tar)| digest_of(tar)).collect();
        assert_eq!(digests, image.diff_ids());
        let list: Value = serde_json::from_slice(&files[3].1).unwrap();
        assert_eq!(
            (&list[0]["RepoTags"][0], &list[0]["Layers"][1]),
            (&json!("app:1"), &json!("1.tar"))
        );
    }
}
