//! Reading what `docker save` writes, and what the engine's export is.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use serde::Deserialize;

use super::ArchiveError;
use super::entries::Entries;
use crate::descriptor::null_is_empty;
use crate::spool::FileSlice;
use crate::{
    Compression, Config, ConfigError, Content, Damage, Descriptor, DiffId, Digest, Family, Hasher,
    MAX_CONFIG_BYTES, MAX_LAYERS, MAX_MANIFEST_BYTES, Manifest, MediaType, RawManifest, ReadError,
    Reference, Source,
};

/// One image of an archive as `docker save` writes it.
///
/// All its generations are read: a folder a layer with `layer.tar` in it, of which some are links to
/// others, and, from engine 25 on, an OCI layout beside which `manifest.json` stays. Layers are plain,
/// gzipped, or compressed with zstd. The archive holds no manifest, so [`Source::root`] makes one of
/// Docker's types. Docker's "Image Specification v1.2", "Combined Image JSON + Filesystem Changeset
/// Format".
pub struct DockerArchive {
    manifest: RawManifest,
    repo_tags: Vec<String>,
    blobs: HashMap<Digest, FileSlice>,
}

/// One member of `manifest.json`.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Config")]
    config: String,
    #[serde(default, rename = "RepoTags", deserialize_with = "null_is_empty")]
    repo_tags: Vec<String>,
    #[serde(default, rename = "Layers", deserialize_with = "null_is_empty")]
    layers: Vec<String>,
}

impl DockerArchive {
    /// Opens the image `name` of the archive that `file` is, or without a name the only one.
    ///
    /// The config is read and checked; layers are looked at, and, where nothing in the archive
    /// names them by digest, hashed. All reading is by position: the file may be shared.
    ///
    /// # Errors
    /// No such image; an archive that is malformed, incomplete, or over its bounds; a config that
    /// is not what its name says, or that has another number of layers.
    pub fn open(file: Arc<File>, name: Option<&Reference>) -> Result<Self, ArchiveError> {
        let entries = Entries::read(file)?;
        let images = list(&entries)?;
        let fits = |image: &&Listed| {
            name.is_none_or(|name| image.repo_tags.iter().any(|tag| is_named(tag, name)))
        };
        let mut fitting = images.iter().filter(fits);
        match (fitting.next(), fitting.next(), name) {
            (Some(image), None, _) => Self::of(&entries, image),
            (Some(_), Some(_), _) => Err(ArchiveError::Several { there: names(&images) }),
            (None, _, Some(name)) => {
                Err(ArchiveError::NoImage { wanted: name.familiar(), there: names(&images) })
            }
            (None, _, None) => {
                let (wanted, there) = ("at all".to_owned(), names(&images));
                Err(ArchiveError::NoImage { wanted, there })
            }
        }
    }

    /// Opens the image that is listed at `place`, counted from 0.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_nth(file: Arc<File>, place: usize) -> Result<Self, ArchiveError> {
        let entries = Entries::read(file)?;
        let images = list(&entries)?;
        let image = images.get(place).ok_or_else(|| ArchiveError::NoImage {
            wanted: format!("number {place}"),
            there: names(&images),
        })?;
        Self::of(&entries, image)
    }

    /// Opens the only image of an archive that lies in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open); no memory for a file.
    pub fn open_bytes(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let memory = rustix::fs::memfd_create("docker-archive", rustix::fs::MemfdFlags::CLOEXEC)
            .map_err(io::Error::from)?;
        let mut file = File::from(memory);
        io::Write::write_all(&mut file, bytes)?;
        Self::open(Arc::new(file), None)
    }

    /// Returns the names of the image, as the archive spells them.
    pub fn repo_tags(&self) -> &[String] {
        &self.repo_tags
    }

    fn of(entries: &Entries, image: &Listed) -> Result<Self, ArchiveError> {
        let config = entries.read_whole(&image.config, MAX_CONFIG_BYTES)?;
        let config_digest = Digest::of(&config);
        if let Some(expected) = digest_in(&image.config)
            && expected != config_digest
        {
            let source = Damage::Digest { expected, found: config_digest };
            return Err(ArchiveError::ConfigDigest { name: image.config.clone(), source });
        }
        let parsed = Config::parse(&config)?;
        let (diff_ids, layers) = (parsed.diff_ids(), image.layers.len());
        if layers > MAX_LAYERS {
            return Err(ConfigError::TooManyLayers(layers).into());
        }
        if diff_ids.len() != layers {
            let diff_ids = diff_ids.len();
            return Err(ConfigError::LayerCount { diff_ids, layers }.into());
        }
        let mut blobs = HashMap::from([(config_digest, entries.find(&image.config)?)]);
        let mut descriptors = Vec::with_capacity(layers);
        for (name, diff_id) in image.layers.iter().zip(diff_ids) {
            let slice = entries.find(name)?;
            let descriptor = describe(entries.target(name), &slice, *diff_id)?;
            blobs.insert(descriptor.digest, slice);
            descriptors.push(descriptor);
        }
        let config = Descriptor::new(MediaType::DOCKER_CONFIG, config_digest, config.len() as u64);
        let manifest = Manifest::new(Family::Docker, config, descriptors).to_raw();
        Ok(Self { manifest, repo_tags: image.repo_tags.clone(), blobs })
    }
}

impl Source for DockerArchive {
    fn root(&self) -> Result<RawManifest, ReadError> {
        Ok(self.manifest.clone())
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ReadError> {
        if descriptor.digest == self.manifest.digest() {
            return Ok(self.manifest.clone());
        }
        Err(ArchiveError::Missing(descriptor.digest.to_string()).into())
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        match self.blobs.get(&descriptor.digest) {
            Some(slice) => Arc::new(slice.clone()),
            None => Arc::new(Absent(descriptor.digest.to_string())),
        }
    }
}

/// Bytes that an archive does not have.
pub(super) struct Absent(pub(super) String);

impl Content for Absent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let error = ArchiveError::Missing(self.0.clone());
        Err(io::Error::new(io::ErrorKind::NotFound, error))
    }
}

/// Reads which images there are.
fn list(entries: &Entries) -> Result<Vec<Listed>, ArchiveError> {
    let bytes = entries.read_whole("manifest.json", MAX_MANIFEST_BYTES)?;
    serde_json::from_slice(&bytes).map_err(ArchiveError::Json)
}

/// Tells what a manifest would say of the layer of `diff_id`, which lies in `slice` under `name`.
fn describe(name: &str, slice: &FileSlice, diff_id: DiffId) -> Result<Descriptor, ArchiveError> {
    let compression = Compression::sniff(&mut *slice.open()?)?;
    // Whichever digest is taken, it is checked when the layer is read, and so is the diff ID.
    let digest = match (digest_in(name), compression) {
        (Some(digest), _) => digest,
        (None, Compression::None) => diff_id.0,
        (None, Compression::Gzip | Compression::Zstd) => {
            let mut hasher = Hasher::default();
            io::copy(&mut slice.open()?, &mut hasher)?;
            hasher.finish()
        }
    };
    Ok(Descriptor::new(MediaType::layer(Family::Docker, compression), digest, slice.len()))
}

/// Returns the digest of which an entry's name tells: `HEX.json`, or `blobs/sha256/HEX`.
fn digest_in(name: &str) -> Option<Digest> {
    let hex = name.strip_suffix(".json").or_else(|| name.strip_prefix("blobs/sha256/"))?;
    format!("sha256:{hex}").parse().ok()
}

/// Tells whether `tag`, as an archive spells it, is the image `name`.
fn is_named(tag: &str, name: &Reference) -> bool {
    tag.parse::<Reference>()
        .is_ok_and(|tag| tag.repository() == name.repository() && tag.tag() == name.tag())
}

/// How many names an error tells.
const MAX_SHOWN: usize = 20;

/// Lists the images for people.
fn names(images: &[Listed]) -> String {
    if images.is_empty() {
        return "none".to_owned();
    }
    let name = |(place, image): (usize, &Listed)| match image.repo_tags.first() {
        None => format!("number {place} (without a name)"),
        // It may hold anything, and goes to a terminal.
        Some(tag) => format!("{:?}", tag.chars().take(300).collect::<String>()),
    };
    let mut shown: Vec<String> = images.iter().enumerate().take(MAX_SHOWN).map(name).collect();
    if images.len() > MAX_SHOWN {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
