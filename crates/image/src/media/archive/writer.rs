//! Writing archives that `docker load` reads.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use super::ArchiveError;
use super::listed::{self, Listed, layer_name, repo_tag};
use crate::transfer::compression::expanded::{Expanded, Packed, PackedReader};
use crate::transfer::progress::MeteredReader;
use crate::{Compression, Config, ConfigError, DiffId, Image, Layer, Meter, Quiet, Reference};

/// Writes an archive that engines load, as a stream: first the layers, then the config and the list
/// of images.
///
/// Layers stay plain or gzipped as they come; zstd, which engines refuse to load, is undone. Equal
/// images make equal archives. An archive that is not [finished](Self::finish) names no image: an
/// engine that is fed it keeps nothing.
pub struct DockerArchiveWriter<W: Write> {
    tar: tar::Builder<W>,
    put: HashSet<DiffId>,
    failed: bool,
}

impl<W: Write> DockerArchiveWriter<W> {
    /// Writes to `output`.
    pub fn new(output: W) -> Self {
        Self { tar: tar::Builder::new(output), put: HashSet::new(), failed: false }
    }

    /// Writes a layer, read to its end and so checked. One that has been written is passed over.
    ///
    /// A layer in zstd is read twice, since a tar tells the length before the bytes.
    ///
    /// # Errors
    /// Errors of the layer and the output, after which the archive cannot be finished; a layer whose
    /// diff ID is not known.
    pub fn put(&mut self, layer: &Layer) -> io::Result<()> {
        self.put_metered(layer, &Quiet)
    }

    /// As [`put`](Self::put). It also tells `meter` how many of the layer's bytes it has read.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_metered(&mut self, layer: &Layer, meter: &dyn Meter) -> io::Result<()> {
        let diff_id = layer.diff_id().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, ArchiveError::NoDiffId(layer.name()))
        })?;
        if self.put.contains(&diff_id) {
            return Ok(());
        }
        self.failed = true;
        let name = layer_name(diff_id);
        match layer.compression()? {
            Compression::None | Compression::Gzip => {
                let reader = MeteredReader::new(layer.open_to_keep()?, meter);
                self.append(&name, layer.size(), reader)?;
            }
            Compression::Zstd => {
                let size = io::copy(&mut Unpacked::open(layer, &Quiet)?, &mut io::sink())?;
                self.append(&name, size, Unpacked::open(layer, meter)?)?;
            }
        }
        self.put.insert(diff_id);
        self.failed = false;
        Ok(())
    }

    /// Writes the config of `image`, and that the archive holds it under the names `tags`.
    ///
    /// Every layer that the config names is listed. Those that were not put are absent from the
    /// archive, which engines accept of layers that they hold.
    ///
    /// # Errors
    /// Errors of the output; a layer that failed before; a config that does not name every layer,
    /// such as an encrypted image's; a name without a tag.
    pub fn finish(mut self, image: &Image, tags: &[&Reference]) -> io::Result<W> {
        if self.failed {
            return Err(io::Error::other(ArchiveError::Unfinished));
        }
        let invalid = |error: ArchiveError| io::Error::new(io::ErrorKind::InvalidInput, error);
        let parsed = Config::parse(&image.config).map_err(|error| invalid(error.into()))?;
        let (diff_ids, layers) = (parsed.diff_ids().len(), image.layers.len());
        if diff_ids != layers {
            return Err(invalid(ConfigError::LayerCount { diff_ids, layers }.into()));
        }
        let config = format!("{}.json", image.id().hex());
        let listed = Listed {
            config: config.clone(),
            repo_tags: tags
                .iter()
                .map(|name| repo_tag(name))
                .collect::<Result<_, _>>()
                .map_err(invalid)?,
            layers: parsed.diff_ids().iter().copied().map(layer_name).collect(),
        };
        self.append(&config, image.config.len() as u64, image.config.as_slice())?;
        let manifest = serde_json::to_vec(&[listed])?;
        self.append(listed::NAME, manifest.len() as u64, manifest.as_slice())?;
        self.tar.into_inner()
    }

    /// Checks that the archive holds every layer of `image`. The caller knows of no engine that has
    /// the others.
    ///
    /// # Errors
    /// A layer that was not put.
    pub(super) fn check_put(&self, image: &Image) -> Result<(), ArchiveError> {
        let config = Config::parse(&image.config)?;
        match config.diff_ids().iter().find(|diff_id| !self.put.contains(diff_id)) {
            Some(absent) => Err(ArchiveError::Missing(layer_name(*absent))),
            None => Ok(()),
        }
    }

    /// Writes an entry of `size` bytes. `reader` must have exactly so many.
    fn append(&mut self, name: &str, size: u64, reader: impl Read) -> io::Result<()> {
        append(&mut self.tar, name, size, reader)
    }
}

/// Writes an entry whose header depends on its name and size alone, not on the user or the time.
pub(super) fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    reader: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_path(name)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    tar.append(&header, Exactly { inner: reader, left: size })
}

/// Reads as many bytes as a header has promised, and fails where there are more or fewer.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let ended = count == 0 && !buffer.is_empty();
        match self.left.checked_sub(count as u64) {
            Some(left) if left == 0 || !ended => self.left = left,
            _ => return Err(io::Error::other("a layer has changed its length")),
        }
        Ok(count)
    }
}

/// The tar of a layer in zstd. At its end the layer has been read to its own end, and so checked.
struct Unpacked<'a> {
    decoder: Expanded<zstd::stream::read::Decoder<'static, io::BufReader<Stored<'a>>>>,
}

type Stored<'a> = PackedReader<MeteredReader<'a, Box<dyn Read + Send>>>;

impl<'a> Unpacked<'a> {
    fn open(layer: &Layer, meter: &'a dyn Meter) -> io::Result<Self> {
        let packed = Packed::default();
        let stored = packed.reader(MeteredReader::new(layer.open()?, meter));
        let decoder = zstd::stream::read::Decoder::new(stored)?;
        Ok(Self { decoder: Expanded::new(decoder, layer.expansion(), packed) })
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            io::copy(self.decoder.get_mut().get_mut(), &mut io::sink())?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::DockerArchive;
    use crate::archive::fixtures::{TARS, compressed, image, layer, read};
    use crate::{Damage, Descriptor, Digest, MediaType};

    fn written(image: &Image) -> Vec<u8> {
        let mut writer = DockerArchiveWriter::new(Vec::new());
        // Twice: the second time is passed over.
        for layer in image.layers.iter().chain(&image.layers) {
            writer.put(layer).unwrap();
        }
        let name: Reference = "docker.io/library/app:1".parse().unwrap();
        writer.finish(image, &[&name]).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let image = image();
        let bytes = written(&image);
        let archive = DockerArchive::open_bytes(&bytes).unwrap();
        assert_eq!(archive.repo_tags(), ["app:1"]);
        let (again, layers) = read(archive).unwrap();
        assert_eq!(again.config, image.config);
        let kept = [Compression::None, Compression::Gzip, Compression::None];
        for (i, (tar, compression)) in TARS.iter().zip(kept).enumerate() {
            assert_eq!(again.layers[i].compression().unwrap(), compression);
            assert_eq!(again.layers[i].diff_id(), Some(DiffId(Digest::of(tar))));
            assert_eq!(layers[i], compressed(tar, compression));
        }
    }

    #[test]
    fn bound_layers_are_checked_by_their_digest_alone() {
        let bytes = compressed(TARS[0], Compression::Gzip);
        let descriptor = Descriptor::of(MediaType::DOCKER_LAYER_GZIP, &bytes);
        let other = DiffId(Digest::of(b"other"));
        let bound = Layer::bound(descriptor, other, Arc::new(bytes.clone()));
        DockerArchiveWriter::new(Vec::new()).put(&bound).unwrap();
        let mut damaged = bytes;
        *damaged.last_mut().unwrap() ^= 1;
        let damaged = bound.with_content(Arc::new(damaged));
        assert!(DockerArchiveWriter::new(Vec::new()).put(&damaged).is_err());
    }

    #[test]
    fn equal_images_make_equal_archives_without_owner_or_time() {
        let bytes = written(&image());
        assert_eq!(bytes, written(&image()));
        let mut names = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            let owner = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
            assert_eq!((owner, header.mode().unwrap()), ((0, 0, 0), 0o644));
            names.push(entry.path().unwrap().display().to_string());
        }
        assert_eq!(names.len(), 5, "{names:?}");
        assert_eq!(names[4], "manifest.json");
    }

    #[test]
    fn layers_that_were_not_put_are_listed() {
        let image = image();
        let bytes = DockerArchiveWriter::new(Vec::new()).finish(&image, &[]).unwrap();
        let error = DockerArchive::open_bytes(&bytes).err().unwrap();
        let lowest = format!("{}.tar", Digest::of(TARS[0]).hex());
        assert!(matches!(error, ArchiveError::Missing(name) if name == lowest));
    }

    #[test]
    fn archive_with_a_damaged_layer_cannot_be_finished() {
        let wrong = Some(DiffId(Digest::of(b"something else")));
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let mut writer = DockerArchiveWriter::new(Vec::new());
            let error = writer.put(&layer(b"tar", compression, wrong));
            let inner = error.unwrap_err().into_inner().unwrap();
            assert!(matches!(inner.downcast_ref(), Some(Damage::DiffId { .. })), "{compression:?}");
            assert!(writer.finish(&image(), &[]).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn encrypted_images_and_names_without_tags_are_refused() {
        let encrypted = layer(b"ciphertext", Compression::None, None);
        let mut writer = DockerArchiveWriter::new(Vec::new());
        assert_eq!(writer.put(&encrypted).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let hidden = Image { config: b"{}".to_vec(), ..image() };
        assert!(writer.finish(&hidden, &[]).is_err());
        let name: Reference = format!("app@{}", Digest::of(b"")).parse().unwrap();
        assert!(DockerArchiveWriter::new(Vec::new()).finish(&image(), &[&name]).is_err());
    }
}
