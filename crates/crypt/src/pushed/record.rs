//! The record of the layers that this machine has pushed: for each layer the blob, its data key,
//! its readers, and its places. The record is sealed under a key of its own; the caller decides
//! where to keep both.
//!
//! The record deserves more belief than a manifest in a registry. With public keys, anybody can
//! write a manifest that names one of our layers beside a data key of his own. But the record does
//! not notice when somebody else gives a layer's data key to further readers. So it notes the tags
//! of the layers.

mod json;

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{DiffId, Digest, Reference, Repository};
use thiserror::Error;
use zeroize::Zeroizing;

use self::json::{Contents, Members};
use super::recorded::{Recorded, Tagged};
use super::{PushedLayer, Readers};
use crate::random::random;

/// The largest record that is read, in bytes. Written records stay far below.
pub const MAX_RECORD_BYTES: u64 = 64 << 20;

/// The most layers, configs, and places and tags of a layer. The oldest are dropped first.
const MAX_LAYERS: usize = 4096;
const MAX_CONFIGS: usize = 64;
const MAX_PLACES: usize = 8;
const MAX_TAGS: usize = 16;
/// The most readers of all layers together.
const MAX_READERS: usize = 1 << 16;
/// The most different tags and digests of all layers together.
const MAX_ALL_TAGS: usize = 1 << 14;
/// The largest config that is kept, in bytes.
const MAX_CONFIG: usize = 256 << 10;

/// The first bytes of a record, which are authenticated beside it.
const MAGIC: &[u8] = b"sealcrate.pushed/1\n";

/// The key under which a record is sealed.
pub struct RecordKey(Zeroizing<[u8; 32]>);

impl RecordKey {
    /// The length of a key, in bytes.
    pub const LEN: usize = 32;

    /// Makes a key.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> io::Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Takes a key that was made before. Returns `None` for bytes of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        (bytes.len() == key.len()).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    /// Returns the key. Keep it where nobody else can read it.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &*self.0).expect("an AES-256 key is 32 bytes");
        LessSafeKey::new(key)
    }
}

/// The layers that were pushed, the newest first, and the configs of their images.
#[derive(Clone)]
pub struct Record {
    salt: [u8; 16],
    layers: Vec<Recorded>,
    configs: Vec<Vec<u8>>,
}

/// A layer that another push may use again, with its places.
#[derive(Clone, Copy)]
pub struct Remembered<'r> {
    /// The layer.
    pub layer: &'r PushedLayer,
    /// The repositories, the newest first.
    pub places: &'r [Repository],
    /// The tags, the newest first. Earlier versions noted none.
    pub tags: &'r [Arc<Tagged>],
}

impl Record {
    /// Begins a record.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new() -> io::Result<Self> {
        Ok(Self { salt: random()?, layers: Vec::new(), configs: Vec::new() })
    }

    /// Opens a record that was sealed under `key`.
    ///
    /// # Errors
    /// The bytes are no record, are damaged, or were sealed under another key.
    pub fn open(bytes: &[u8], key: &RecordKey) -> Result<Self, RecordError> {
        let sealed = bytes.strip_prefix(MAGIC).ok_or(RecordError::NoRecord)?;
        let (nonce, sealed) =
            sealed.split_first_chunk::<NONCE_LEN>().ok_or(RecordError::NoRecord)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let json = key
            .cipher()
            .open_in_place(nonce, Aad::from(MAGIC), &mut buffer)
            .map_err(|_| RecordError::Damaged)?;
        let members: Members = serde_json::from_slice(json).map_err(|_| RecordError::Damaged)?;
        let Contents { salt, layers, configs } = members.contents().ok_or(RecordError::Damaged)?;
        Ok(Self { salt, layers, configs })
    }

    /// Seals the record under `key`, with a fresh nonce.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn seal(&self, key: &RecordKey) -> io::Result<Vec<u8>> {
        let nonce = random::<NONCE_LEN>()?;
        let members = Members::of(&self.salt, &self.layers, &self.configs);
        let mut len = Count(0);
        serde_json::to_writer(&mut len, &members)?;
        // A buffer that grew would leave copies of keys behind.
        let mut buffer = Zeroizing::new(Vec::with_capacity(len.0));
        serde_json::to_writer(&mut *buffer, &members)?;
        let tag = key
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(MAGIC),
                &mut buffer,
            )
            .expect("a record can be encrypted");
        Ok([MAGIC, &nonce, &buffer, tag.as_ref()].concat())
    }

    /// Returns the salt with which this record tells passphrases apart.
    pub fn salt(&self) -> &[u8; 16] {
        &self.salt
    }

    /// Returns the layers of the diff ID that a push to `readers` may use as they are, the newest
    /// first, with their places. Anybody may read layers in clear.
    pub fn layers<'a>(
        &'a self,
        diff_id: DiffId,
        readers: &'a Readers,
    ) -> impl Iterator<Item = Remembered<'a>> {
        self.layers.iter().filter_map(move |recorded| {
            let Recorded { layer, readers: earlier, places, tags } = recorded;
            let may_be_used = !layer.is_private() || readers.include(earlier);
            (layer.diff_id == diff_id && may_be_used).then_some(Remembered { layer, places, tags })
        })
    }

    /// Returns the diff IDs of the layers that were encrypted to any readers.
    pub fn private(&self) -> impl Iterator<Item = DiffId> {
        let private = self.layers.iter().filter(|recorded| recorded.layer.is_private());
        private.map(|recorded| recorded.layer.diff_id)
    }

    /// Tells whether the record knows that this machine has put the manifest or index `digest`
    /// under the tag `name`.
    pub fn has_put(&self, name: &Reference, digest: Digest) -> bool {
        let is_it = |tagged: &Arc<Tagged>| tagged.name == *name && tagged.digest == digest;
        self.layers.iter().any(|recorded| recorded.tags.iter().any(is_it))
    }

    /// Returns the configs of the pushed images, from before encryption.
    pub fn configs(&self) -> impl Iterator<Item = &[u8]> {
        self.configs.iter().map(Vec::as_slice)
    }

    /// Forgets blobs that more readers can open than the record knows.
    pub fn forget(&mut self, blobs: &[Digest]) {
        self.layers.retain(|recorded| !blobs.contains(&recorded.layer.digest));
    }

    /// Adds an image that was put under a tag for `readers`: its `layers`, and its `config` from
    /// before encryption.
    pub fn add(
        &mut self,
        layers: &[PushedLayer],
        config: &[u8],
        readers: &Readers,
        tagged: Tagged,
    ) {
        let tagged = Arc::new(tagged);
        for layer in layers {
            let same = |recorded: &Recorded| recorded.layer.digest == layer.digest;
            let (mut readers, mut places, mut tags) = (readers.clone(), Vec::new(), Vec::new());
            if let Some(found) = self.layers.iter().position(same) {
                let earlier = self.layers.remove(found);
                // Earlier readers keep the data key.
                readers.add(earlier.readers);
                (places, tags) = (earlier.places, earlier.tags);
            }
            to_the_front(&mut places, tagged.name.repository().clone(), MAX_PLACES);
            // Earlier digests of the tag do not matter any more.
            tags.retain(|earlier: &Arc<Tagged>| earlier.name != tagged.name);
            to_the_front(&mut tags, tagged.clone(), MAX_TAGS);
            self.layers.insert(0, Recorded { layer: layer.clone(), readers, places, tags });
        }
        self.layers.truncate(MAX_LAYERS);
        let (mut readers, mut tags) = (0, HashSet::new());
        self.layers.retain(|recorded| {
            readers += recorded.readers.count();
            tags.extend(recorded.tags.iter().cloned());
            readers <= MAX_READERS && tags.len() <= MAX_ALL_TAGS
        });
        if config.len() <= MAX_CONFIG {
            to_the_front(&mut self.configs, config.to_vec(), MAX_CONFIGS);
        }
    }
}

/// Puts `item` in front of the others, and keeps at most `most` items.
fn to_the_front<T: PartialEq>(items: &mut Vec<T>, item: T, most: usize) {
    items.retain(|other| *other != item);
    items.insert(0, item);
    items.truncate(most);
}

/// Counts the bytes written to it.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why bytes are no usable record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// It was changed, or sealed under another key.
    #[error("it is damaged, or of another key")]
    Damaged,
    /// It is no record of this version.
    #[error("it is no record of this version")]
    NoRecord,
}

impl Classified for RecordError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Damaged | Self::NoRecord => Some(ErrorClass::Failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use sealcrate_image::Compression;

    use super::*;
    use crate::pushed::{LayerKey, Reader};

    fn layer(name: &[u8]) -> PushedLayer {
        PushedLayer {
            diff_id: DiffId(Digest::of(name)),
            digest: Digest::of(name),
            size: 1,
            compression: Compression::Gzip,
            key: Some(LayerKey {
                encryption: "test".to_owned(),
                key: Zeroizing::new([7; 32]),
                digest: None,
                nonce: None,
                hmac: None,
            }),
        }
    }

    fn tagged(name: &str, manifest: &str) -> Tagged {
        Tagged { name: name.parse().unwrap(), digest: Digest::of(manifest.as_bytes()) }
    }

    fn sealed_and_opened(record: &Record) -> Record {
        let key = RecordKey::generate().unwrap();
        let sealed = record.seal(&key).unwrap();
        assert!((sealed.len() as u64) < MAX_RECORD_BYTES);
        Record::open(&sealed, &key).unwrap()
    }

    #[test]
    fn record_stays_readable_however_many_readers_there_are() {
        let many = |from: u32| {
            let names = (from..from + 40_000).map(|i| Reader::key("age", &i.to_be_bytes()));
            Readers::new("oci", names.collect())
        };
        let (mut record, tag) = (Record::new().unwrap(), tagged("x.example/app:1", "one"));
        let (old, new) = (layer(b"old"), layer(b"new"));
        record.add(slice::from_ref(&old), b"", &many(0), tag.clone());
        record.add(slice::from_ref(&new), b"", &many(1 << 20), tag);
        let record = sealed_and_opened(&record);
        assert_eq!(record.layers(new.diff_id, &many(1 << 20)).count(), 1);
        assert_eq!(record.layers(old.diff_id, &many(0)).count(), 0, "the oldest goes first");
    }

    #[test]
    fn newest_tags_of_a_layer_are_noted_each_with_what_it_named_last() {
        let readers = Readers::new("oci", [Reader::key("age", b"a")].into());
        let (mut record, layer) = (Record::new().unwrap(), layer(b"layer"));
        let mut add = |tag| record.add(slice::from_ref(&layer), b"", &readers, tag);
        for number in 0..20 {
            add(tagged(&format!("x.example/app:{number}"), "first"));
        }
        add(tagged("x.example/app:15", "second"));
        let record = sealed_and_opened(&record);
        let found = record.layers(layer.diff_id, &readers).next().unwrap();
        let names: Vec<_> = found.tags.iter().map(|tag| tag.name.tag().unwrap()).collect();
        let mut expected = vec![15, 19, 18, 17, 16];
        expected.extend((4..15).rev());
        assert_eq!(names, expected.iter().map(i32::to_string).collect::<Vec<_>>());
        let name = "x.example/app:15".parse().unwrap();
        assert!(record.has_put(&name, Digest::of(b"second")));
        assert!(!record.has_put(&name, Digest::of(b"first")));
        assert!(!record.has_put(&"x.example/other:15".parse().unwrap(), Digest::of(b"second")));
    }

    #[test]
    fn record_of_an_earlier_version_has_no_tags() {
        let readers = Readers::new("oci", [Reader::key("age", b"a")].into());
        let (mut record, layer) = (Record::new().unwrap(), layer(b"layer"));
        record.add(slice::from_ref(&layer), b"", &readers, tagged("x.example/app:1", "one"));
        let members = Members::of(&record.salt, &record.layers, &record.configs);
        let mut members = serde_json::to_value(members).unwrap();
        members.as_object_mut().unwrap().remove("tags");
        members["layers"][0].as_object_mut().unwrap().remove("tags");
        let members = serde_json::from_value::<Members>(members).unwrap();
        let Contents { salt, layers, configs } = members.contents().unwrap();
        let record = Record { salt, layers, configs };
        let found = record.layers(layer.diff_id, &readers).next().unwrap();
        assert!(found.tags.is_empty() && found.places.len() == 1);
    }
}
