//! Reading archives as `docker save` writes them, and as the engine exports them.

pub(super) mod sink;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crate::archive::ArchiveError;
use crate::archive::entries::{Entries, FileEntry};
use crate::archive::listed::{Listed, names};
use crate::archive::received;
use crate::archive::wanted::Wanted;
use crate::transfer::files::spool::FileSlice;
use crate::{
    Compression, Config, ConfigError, Content, Damage, Descriptor, DiffId, Digest, Family, Hasher,
    MAX_CONFIG_BYTES, MAX_LAYERS, Manifest, MediaType, Packing, RawManifest, ReadError, Reference,
    Source, Spool,
};

/// One image of an archive as `docker save` writes it.
///
/// It reads archives of every generation. Older engines write a folder for each layer, with `layer.tar`
/// in it, and some of these files are links to others. Engines from 25 on write an OCI layout, with
/// `manifest.json` beside it. Layers are plain, gzipped, or compressed with zstd. The archive holds no
/// manifest, so [`Source::root`] makes one of Docker's types. Docker's "Image Specification v1.2",
/// "Combined Image JSON + Filesystem Changeset Format".
pub struct DockerArchive {
    manifest: RawManifest,
    repo_tags: Vec<String>,
    blobs: HashMap<Digest, FileSlice>,
}

impl DockerArchive {
    /// Opens the image `name` of the archive in `file`, or its only image where `name` is `None`.
    ///
    /// It reads and checks the config, looks at the layers, and hashes those that nothing in the
    /// archive names by digest. All reading is by position: the file may be shared.
    ///
    /// # Errors
    /// No such image; an archive that is malformed, incomplete, or over its bounds; a config that has
    /// another digest than its name says, or another number of layers.
    pub fn open(file: Arc<File>, name: Option<&Reference>) -> Result<Self, ArchiveError> {
        Self::named(&Entries::read(file)?, name)
    }

    /// Reads the only image of an archive as it comes out of `stream`, up to its end. Meanwhile it
    /// compresses the layers that are not compressed. `spool` holds all that it keeps.
    ///
    /// # Errors
    /// As [`open`](Self::open); layers with other diff IDs than the config names; errors of `stream`.
    pub fn receive(
        stream: &mut dyn Read,
        packing: Packing<'_>,
        spool: &Spool,
    ) -> Result<Self, ArchiveError> {
        Self::named(&received::entries(stream, packing, spool, None)?, None)
    }

    /// Reads the `wanted` parts of an archive, as [`receive`](Self::receive) does. If it skips any
    /// layer, it stops as soon as it has all the others. A skipped layer has no bytes; of its descriptor
    /// only the digest, which is its diff ID, means anything.
    ///
    /// # Errors
    /// As [`receive`](Self::receive); [`ArchiveError::Unforeseen`] if layers have other names than
    /// expected.
    pub fn receive_wanted(
        stream: &mut dyn Read,
        wanted: &Wanted,
        packing: Packing<'_>,
        spool: &Spool,
    ) -> Result<Self, ArchiveError> {
        let mut entries = received::entries(stream, packing, spool, Some(wanted))?;
        match wanted.listed(&mut entries).filter(|_| wanted.skips_any()) {
            Some(image) => Self::of(&entries, &image),
            None => Self::named(&entries, None),
        }
    }

    /// Opens the image that is listed at `place`, counted from 0.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_nth(file: Arc<File>, place: usize) -> Result<Self, ArchiveError> {
        let entries = Entries::read(file)?;
        let images = Listed::read(&entries)?;
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

    fn named(entries: &Entries, name: Option<&Reference>) -> Result<Self, ArchiveError> {
        let images = Listed::read(entries)?;
        let fits = |image: &&Listed| name.is_none_or(|name| image.is_named(name));
        let mut fitting = images.iter().filter(fits);
        match (fitting.next(), fitting.next(), name) {
            (Some(image), None, _) => Self::of(entries, image),
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
        let config_slice = entries.find(&image.config)?.slice.clone();
        let mut blobs = HashMap::from([(config_digest, config_slice)]);
        let mut descriptors = Vec::with_capacity(layers);
        for (name, diff_id) in image.layers.iter().zip(diff_ids) {
            let target = entries.target(name);
            let descriptor = match entries.skipped(target) {
                Some((skipped, len)) if skipped == *diff_id => {
                    Descriptor::new(MediaType::DOCKER_LAYER, diff_id.0, len)
                }
                Some(_) => return Err(ArchiveError::Unforeseen(name.clone())),
                None => {
                    let file = entries.find(name)?;
                    let descriptor = describe(target, file, *diff_id)?;
                    blobs.insert(descriptor.digest, file.slice.clone());
                    descriptor
                }
            };
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

    fn stores_manifests(&self) -> bool {
        false
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        match self.blobs.get(&descriptor.digest) {
            Some(slice) => Arc::new(slice.clone()),
            None => Arc::new(Absent(descriptor.digest.to_string())),
        }
    }
}

/// The content of a layer whose bytes the archive does not have.
pub(crate) struct Absent(pub(crate) String);

impl Content for Absent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let error = ArchiveError::Missing(self.0.clone());
        Err(io::Error::new(io::ErrorKind::NotFound, error))
    }
}

/// Returns the descriptor that a manifest would have for the layer of `diff_id` in the file `name`.
fn describe(name: &str, file: &FileEntry, diff_id: DiffId) -> Result<Descriptor, ArchiveError> {
    let slice = &file.slice;
    let described = |compression, digest| {
        Descriptor::new(MediaType::layer(Family::Docker, compression), digest, slice.len())
    };
    if let Some(packed) = file.packed {
        if packed.diff_id != diff_id {
            let source = Damage::DiffId { expected: diff_id, found: packed.diff_id };
            return Err(ArchiveError::Layer { name: name.to_owned(), source });
        }
        return Ok(described(packed.compression, packed.digest));
    }
    let compression = Compression::sniff(&mut *slice.open()?)?;
    // The reader of the layer checks this digest, wherever it comes from, and the diff ID as well.
    let digest = match (digest_in(name), compression) {
        (Some(digest), _) => digest,
        (None, Compression::None) => diff_id.0,
        (None, Compression::Gzip | Compression::Zstd) => {
            let mut hasher = Hasher::default();
            io::copy(&mut slice.open()?, &mut hasher)?;
            hasher.finish()
        }
    };
    Ok(described(compression, digest))
}

/// Returns the digest that an entry's name states: `HEX.json`, or `blobs/sha256/HEX`.
fn digest_in(name: &str) -> Option<Digest> {
    let hex = name.strip_suffix(".json").or_else(|| name.strip_prefix("blobs/sha256/"))?;
    format!("sha256:{hex}").parse().ok()
}
