//! The way back: from a locked image to the original.

use std::fmt;
use std::io::{self, Read};
use std::iter;
use std::sync::Arc;

use age::{Decryptor, x25519};
use sealcrate_image::archive::HeaderBounds;
use sealcrate_image::{Config, Content, DiffId, Digest, Image, Layer, MediaType, Outgoing, Spool};
use sealcrate_pack::{Key, KeyError};
use sealcrate_packfile::age::{AgeFile, CHUNK, FileKey, Header, HeaderError};
use sealcrate_packfile::index::{Index, IndexError, IndexLayer, MAX_INDEX, header_digest};
use sealcrate_packfile::{Segment, SegmentError};
use serde_json::json;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::INIT;
use crate::layer::MAX_HEADERS;
use crate::payload::{self, FOLDER, MAX_WINDOW_LOG};

/// The longest file of an index, encrypted, in bytes.
const MAX_SEGMENT: u64 = MAX_INDEX;

/// Tells whether `config` is that of a locked image, whose command is the init.
pub fn is_locked(config: &Config) -> bool {
    config.runtime.get("Entrypoint") == Some(&json!([INIT]))
}

/// A locked image.
pub struct LockedImage {
    image: Image,
    segment: Vec<u8>,
}

impl LockedImage {
    /// Finds the index of a locked image.
    ///
    /// # Errors
    /// There is none; it is malformed; those of reading.
    pub fn read(image: Image) -> Result<Self, UnlockError> {
        let top = image.layers.last().ok_or(UnlockError::NotLocked)?;
        let mut segment = Vec::new();
        find(top, &format!("{FOLDER}index"), |entry| {
            entry.take(MAX_SEGMENT).read_to_end(&mut segment).map(drop)
        })?;
        if segment.is_empty() {
            return Err(UnlockError::NotLocked);
        }
        AgeFile::parse(Segment::parse(&segment)?.age)?;
        Ok(Self { image, segment })
    }

    /// Tells whether a passphrase unlocks it, or else identities.
    pub fn is_for_passphrase(&self) -> bool {
        self.age().header().passphrase().is_some()
    }

    /// Returns the header of the index's age file.
    pub fn header(&self) -> &[u8] {
        self.age().header().bytes()
    }

    pub(crate) fn age(&self) -> AgeFile<'_> {
        let segment = Segment::parse(&self.segment).expect("it has been parsed");
        AgeFile::parse(segment.age).expect("it has been parsed")
    }

    /// Returns the original image. Its layers are checked when they are read.
    ///
    /// # Errors
    /// Another key; damage; those of reading and of the spool.
    pub fn unlock(&self, key: &Key, spool: &Spool) -> Result<Outgoing, UnlockError> {
        let bytes = self.index(&key.unwrap(self.age().header())?)?;
        let index = Index::parse(&bytes)?;
        let config = Config::parse(index.config)?;
        let mut layers = Vec::new();
        // Behind those of the original lies what was taken along of clear layers.
        let places = self.places(&index)?.into_iter().take(config.diff_ids().len());
        for (layer, found) in places {
            layers.push(match layer {
                IndexLayer::Clear { diff_id } => found.with_diff_id(DiffId(Digest::from(diff_id))),
                IndexLayer::Private { diff_id, tar_len, header, identity } => {
                    let content = Opened::find(found, &header, identity, spool)?;
                    let diff_id = DiffId(Digest::from(diff_id));
                    Layer::decrypted(MediaType::DOCKER_LAYER, tar_len, diff_id, Arc::new(content))
                }
            });
        }
        if !layers.iter().filter_map(Layer::diff_id).eq(config.diff_ids().iter().copied()) {
            return Err(UnlockError::LayerCount);
        }
        Ok(Outgoing::built(Image::new(index.config.to_vec(), layers)))
    }

    /// Finds the layers of this image that hold those of the original.
    pub(crate) fn places<'i>(
        &self,
        index: &Index<'i>,
    ) -> Result<Vec<(IndexLayer<'i>, &Layer)>, UnlockError> {
        let is_clear = |layer: &IndexLayer<'_>| matches!(layer, IndexLayer::Clear { .. });
        let clear_count = index.layers().filter(is_clear).count();
        let (mut clear, mut payload) =
            (self.image.layers.iter(), self.image.layers.iter().skip(clear_count));
        let places = index.layers().map(|layer| {
            let found = if is_clear(&layer) { clear.next() } else { payload.next() };
            Ok((layer, found.ok_or(UnlockError::LayerCount)?))
        });
        places.collect()
    }

    /// Decrypts the index.
    pub(crate) fn index(&self, file_key: &FileKey) -> Result<Zeroizing<Vec<u8>>, UnlockError> {
        let age = self.age();
        let mut chunks = age.chunks(file_key);
        let (mut packed, mut buffer) = (Zeroizing::new(Vec::new()), Box::new([0; CHUNK]));
        while let Some(chunk) = chunks.next(&mut buffer).map_err(|_| UnlockError::Damaged)? {
            packed.extend(chunk);
        }
        let mut index = Zeroizing::new(Vec::new());
        decompressor(&packed[..])
            .and_then(|reader| reader.take(MAX_INDEX + 1).read_to_end(&mut index))
            .map_err(|_| UnlockError::Damaged)?;
        Ok(index)
    }
}

impl fmt::Debug for LockedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedImage").field("id", &self.image.id()).finish_non_exhaustive()
    }
}

fn decompressor<'a, R: Read + 'a>(reader: R) -> io::Result<impl Read + use<'a, R>> {
    let mut decoder = zstd::Decoder::new(reader)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

/// Calls for the file at a path in a layer, and reads the layer to its end, which checks it.
fn find(
    layer: &Layer,
    path: &str,
    mut call: impl FnMut(&mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let bounds = HeaderBounds::new(MAX_HEADERS);
    let reader = layer.open_unpacked()?;
    let mut archive = tar::Archive::new(bounds.reader(reader));
    let mut is_found = false;
    for entry in archive.entries()? {
        let mut entry = entry?;
        bounds.begin(&entry);
        if entry.path_bytes().as_ref() == path.as_bytes() {
            if is_found {
                let text = format!("{path} is there twice");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            is_found = true;
            call(&mut entry)?;
        }
    }
    io::copy(&mut archive.into_inner().into_inner(), &mut io::sink()).map(drop)
}

/// A private layer, which is decrypted as it is read.
pub(crate) struct Opened {
    /// The age file, and its length in bytes.
    pub(crate) age: Arc<dyn Content>,
    pub(crate) len: u64,
    pub(crate) identity: Zeroizing<String>,
}

impl Opened {
    /// Finds the age file of a private layer, which has to be the one that the index has seen.
    pub(crate) fn find(
        layer: &Layer,
        header: &[u8; 32],
        identity: &str,
        spool: &Spool,
    ) -> Result<Self, UnlockError> {
        let mut found = None;
        find(layer, &payload::path(header), |entry| {
            let spooled = spool.fill(|out| io::copy(entry, out).map(drop))?;
            found = Some((spooled.content, spooled.len));
            Ok(())
        })?;
        let (content, len) = found.ok_or(UnlockError::Damaged)?;
        let mut beginning = Vec::new();
        content.open()?.take(64 << 10).read_to_end(&mut beginning)?;
        if header_digest(&Header::parse(&beginning)?) != *header {
            return Err(UnlockError::Damaged);
        }
        let identity = Zeroizing::new(identity.to_owned());
        Ok(Self { age: Arc::new(content), len, identity })
    }
}

impl Content for Opened {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let identity: x25519::Identity = self.identity.parse().map_err(io::Error::other)?;
        let decryptor = Decryptor::new(self.age.open()?).map_err(io::Error::other)?;
        let reader = decryptor
            .decrypt(iter::once(&identity as &dyn age::Identity))
            .map_err(io::Error::other)?;
        let mut decoder = zstd::Decoder::new(reader)?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(Box::new(decoder))
    }
}

/// Why a locked image cannot be unlocked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// Something in it was changed.
    #[error("the payload is damaged")]
    Damaged,
    /// The index's age file is malformed.
    #[error("the payload is damaged: {0}")]
    Header(#[from] HeaderError),
    /// The original config cannot be used.
    #[error("{0}")]
    ImageConfig(#[from] sealcrate_image::ConfigError),
    /// The index is malformed, though it is authentic.
    #[error("{0}")]
    Index(#[from] IndexError),
    /// It cannot be read, or what comes of it not be held.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is another key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Layers are missing, or others.
    #[error("the image has other layers than its index")]
    LayerCount,
    /// It has no index.
    #[error("the image is not locked")]
    NotLocked,
    /// The file of the index is malformed.
    #[error("{0}")]
    Segment(#[from] SegmentError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &[u8])]) -> Layer {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            payload::append(&mut tar, path, 0o444, content).unwrap();
        }
        let bytes = tar.into_inner().unwrap();
        let (size, diff_id) = (bytes.len() as u64, DiffId(Digest::of(&bytes)));
        Layer::decrypted(MediaType::DOCKER_LAYER, size, diff_id, Arc::new(bytes))
    }

    /// Whoever knows the key of a layer could write another file for it.
    #[test]
    fn another_file_of_the_same_key_is_damage() {
        let identity = x25519::Identity::generate();
        let encrypt = || age::encrypt(&identity.to_public(), b"a layer").unwrap();
        let (file, other) = (encrypt(), encrypt());
        let header = header_digest(&Header::parse(&file).unwrap());
        let (path, spool) = (payload::path(&header), Spool::in_folder(std::env::temp_dir()));
        let key = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        let find = |file: &[u8]| Opened::find(&layer(&[(&path, file)]), &header, &key, &spool);
        assert!(find(&file).is_ok());
        assert!(matches!(find(&other), Err(UnlockError::Damaged)));
    }

    #[test]
    fn index_that_is_there_twice_is_read_once() {
        let layer = layer(&[("index", b"one"), ("index", b"two")]);
        let mut found = Vec::new();
        let error = find(&layer, "index", |entry| entry.read_to_end(&mut found).map(drop));
        assert_eq!(error.unwrap_err().to_string(), "index is there twice");
        assert_eq!(found, b"one");
    }
}
