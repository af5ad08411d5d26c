//! The way back: from a locked image to the original.

pub(crate) mod decrypted_layer;
pub(crate) mod error;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_agefile::{AgeFile, CHUNK, FileKey};
use sealcrate_image::{Config, DiffId, Digest, Image, Layer, MediaType, Outgoing, Spool};
use sealcrate_pack::Key;
use sealcrate_packfile::Segment;
use sealcrate_packfile::index::{Index, IndexLayer, MAX_INDEX};
use serde_json::json;
use zeroize::Zeroizing;

use crate::UnlockError;
use crate::config::INIT;
use crate::payload::compression::decompressor;
use crate::payload::{self, FOLDER, for_each_file};
use crate::unlock::decrypted_layer::DecryptedLayer;

/// The longest file of an index, encrypted, in bytes.
const MAX_SEGMENT: u64 = MAX_INDEX;

/// Tells whether `config` belongs to a locked image, whose command is the init.
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
    /// The image has no index; the index is malformed; a layer cannot be read.
    pub fn read(image: Image) -> Result<Self, UnlockError> {
        let top = image.layers.last().ok_or(UnlockError::NotLocked)?;
        let path = format!("{FOLDER}index");
        let mut found = None;
        for_each_file(top, |name, file| {
            if name != path.as_bytes() {
                return Ok(());
            }
            if found.is_some() {
                return Err(payload::twice(name));
            }
            let mut segment = Vec::new();
            file.take(MAX_SEGMENT).read_to_end(&mut segment)?;
            found = Some(segment);
            io::Result::Ok(())
        })?;
        let segment = found.filter(|segment| !segment.is_empty()).ok_or(UnlockError::NotLocked)?;
        AgeFile::parse(Segment::parse(&segment)?.age)?;
        Ok(Self { image, segment })
    }

    /// Tells whether a passphrase unlocks the image. Otherwise identities do.
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
    /// It is another key; the payload is damaged; the image cannot be read; the spool cannot be written.
    pub fn unlock(&self, key: &Key, spool: &Spool) -> Result<Outgoing, UnlockError> {
        let bytes = self.index(&key.unwrap(self.age().header())?)?;
        let index = Index::parse(&bytes)?;
        let config = Config::parse(index.config)?;
        let mut layers = Vec::new();
        // The payload of clear files that `--whole` unlocks lies behind the layers of the original.
        let places = self.places(&index)?.into_iter().take(config.diff_ids().len());
        for (layer, found) in places {
            layers.push(match layer {
                IndexLayer::Clear { diff_id } => found.with_diff_id(DiffId(Digest::from(diff_id))),
                IndexLayer::Private { diff_id, identity, parts } => {
                    let content = DecryptedLayer::find(found, parts, identity, spool)?;
                    let (len, diff_id) = (parts.tar_len(), DiffId(Digest::from(diff_id)));
                    Layer::decrypted(MediaType::DOCKER_LAYER, len, diff_id, Arc::new(content))
                }
            });
        }
        if !layers.iter().filter_map(Layer::diff_id).eq(config.diff_ids().iter().copied()) {
            return Err(UnlockError::LayerCount);
        }
        Ok(Outgoing::built(Image::new(index.config.to_vec(), layers)))
    }

    /// Finds the layers of this image that hold the layers of the original.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_that_is_there_twice_is_refused() {
        let mut tar = tar::Builder::new(Vec::new());
        let path = format!("{FOLDER}index");
        for content in [b"one", b"two"] {
            payload::append(&mut tar, &path, 0o444, content).unwrap();
        }
        let bytes = tar.into_inner().unwrap();
        let (size, diff_id) = (bytes.len() as u64, DiffId(Digest::of(&bytes)));
        let layer = Layer::decrypted(MediaType::DOCKER_LAYER, size, diff_id, Arc::new(bytes));
        let error = LockedImage::read(Image::new(Vec::new(), vec![layer])).unwrap_err();
        assert_eq!(error.to_string(), ".sealcrate/payload/index is there twice");
    }
}
