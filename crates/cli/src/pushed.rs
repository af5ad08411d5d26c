//! What was pushed before: the layers that another push need not send.
//!
//! They are known from the record in the cache, and from images in registries that the same passphrase
//! opens. A layer is used again if the registry has its blob, or takes it over from another repository.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::pushed::{Pushed, PushedLayer, Readers, Record, RecordError};
use sealcrate_crypt::senetas::{DecryptError, KeyDerivation, PushedImage};
use sealcrate_image::engine::Spared;
use sealcrate_image::registry::RegistryError;
use sealcrate_image::{
    Artifact, Compression, DiffId, Digest, Image, Layer, Platform, ReadError, Reference,
    Repository, Sink, Source,
};
use tracing::debug;

use crate::cache::Cache;
use crate::encryption::{Encryption, Pending};
use crate::places::variable;
use crate::session::Session;
use crate::talk;

/// What is known of earlier pushes.
pub(crate) struct Earlier<'a> {
    session: &'a Session,
    encryption: &'a Encryption,
    memory: Option<Memory>,
}

/// What this machine remembers, and who shall be able to read what is pushed now.
struct Memory {
    cache: Cache,
    record: Record,
    readers: Pending<Readers>,
}

impl Memory {
    /// Reads the cache, and begins to work out who the readers are; `None` without a cache, or where
    /// readers are not known again.
    fn open(encryption: &Encryption) -> Result<Option<Self>> {
        let Some(cache) = Cache::of(&variable) else { return Ok(None) };
        let record = match cache.read() {
            Ok(Some(record)) => record,
            Ok(None) => Record::new()?,
            Err(error) => {
                talk::warn(format!(
                    "the cache is not used: {error:#} (`sealcrate cache purge` empties it)"
                ));
                // What is damaged is replaced; what is not the user's alone, he has to look at.
                if !error.is::<RecordError>() {
                    return Ok(None);
                }
                Record::new()?
            }
        };
        let readers = encryption.readers(record.salt());
        Ok(readers.map(|readers| Self { cache, record, readers }))
    }
}

/// Where the layers of an image are looked for.
pub(crate) struct Search<'a> {
    /// Images that may hold some of them.
    pub(crate) images: Vec<&'a Reference>,
    pub(crate) platform: Option<&'a Platform>,
    /// The diff IDs of the image.
    pub(crate) diff_ids: &'a [DiffId],
}

impl<'a> Earlier<'a> {
    /// Reads the cache.
    pub(crate) fn read(session: &'a Session, encryption: &'a Encryption) -> Result<Self> {
        Ok(Self { session, encryption, memory: Memory::open(encryption)? })
    }

    /// Returns what need not be sent to `sink` again.
    ///
    /// What cannot be used is passed over: it is sent anew then. What was tampered with is told.
    pub(crate) fn find(&self, search: &Search<'_>, sink: &dyn Sink) -> Result<Pushed> {
        let mut found = Found {
            wanted: search.diff_ids.iter().copied().collect(),
            sink,
            pushed: Pushed::default(),
        };
        if let Some(memory) = &self.memory {
            found.take(self.remembered(memory, search)?)?;
            memory.record.configs().for_each(|config| found.pushed.add_config(config.to_vec()));
        }
        if let Some(passphrase) = self.encryption.reusing() {
            let mut kdf = KeyDerivation::new(passphrase.clone());
            for reference in &search.images {
                if found.wanted.is_empty() {
                    break;
                }
                self.take_image(reference, search.platform, &mut kdf, &mut found)?;
            }
        }
        Ok(found.pushed)
    }

    /// Returns what is remembered of the image, the newest of each layer.
    fn remembered(&self, memory: &Memory, search: &Search<'_>) -> Result<Vec<Candidate>> {
        let readers = memory.readers.wait()?;
        let as_wanted = |layer: &PushedLayer| match self.encryption.compression() {
            Compression::Zstd => layer.compression() == Compression::Zstd,
            _ => true,
        };
        let newest = |diff_id: &DiffId| {
            let mut layers = memory.record.layers(*diff_id, &readers);
            let (layer, places) = layers.find(|(layer, _)| as_wanted(layer))?;
            Some(Candidate { layer: layer.clone(), places: places.to_vec() })
        };
        let distinct: BTreeSet<&DiffId> = search.diff_ids.iter().collect();
        Ok(distinct.into_iter().filter_map(newest).collect())
    }

    fn take_image(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        kdf: &mut KeyDerivation,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let Some(image) = read(self.session, reference, platform)? else { return Ok(()) };
        match PushedImage::open(&image, kdf) {
            Ok(None) => {}
            Ok(Some(PushedImage { layers, config })) => {
                let places = vec![reference.repository().clone()];
                let candidate = |layer| Candidate { layer, places: places.clone() };
                let private = layers.iter().filter(|layer| layer.is_private());
                found.pushed.add_private(private.map(PushedLayer::diff_id));
                found.take(layers.into_iter().map(candidate).collect())?;
                found.pushed.add_config(config);
            }
            Err(error) if is_of_others(&error) => debug!("{reference} is not used again: {error}"),
            Err(error) => {
                talk::warn(format!("{} is not used again: {error}", reference.familiar()));
            }
        }
        Ok(())
    }

    /// Remembers that `layers` and `config`, as it is before encryption, were pushed to `place`.
    pub(crate) fn remember(&self, layers: &[PushedLayer], config: &[u8], place: &Repository) {
        let Some(Memory { cache, record, readers }) = &self.memory else { return };
        let written = readers.wait().and_then(|readers| {
            let salt = *record.salt();
            cache.update(record.clone(), &self.session.interrupt, |record| {
                // Another process may have begun one meanwhile, which tells passphrases otherwise apart.
                if *record.salt() == salt {
                    record.add(layers, config, &readers, place);
                }
            })
        });
        if let Err(error) = written {
            talk::warn(format!("the cache cannot be written: {error:#}"));
        }
    }
}

/// A layer that may be used again, and where it is said to be.
struct Candidate {
    layer: PushedLayer,
    places: Vec<Repository>,
}

/// What is looked for, and what was found of it.
struct Found<'a> {
    wanted: BTreeSet<DiffId>,
    sink: &'a dyn Sink,
    pushed: Pushed,
}

impl Found<'_> {
    /// Takes those of `candidates` that are wanted, and that the sink has or can take over.
    fn take(&mut self, mut candidates: Vec<Candidate>) -> Result<()> {
        candidates.retain(|candidate| self.wanted.contains(&candidate.layer.diff_id()));
        if candidates.is_empty() {
            return Ok(());
        }
        let layers = candidates.iter().map(|candidate| candidate.layer.blob()).collect();
        let image = Image::new(Vec::new(), layers);
        let there = self.sink.present(&image)?;
        for (candidate, mut is_there) in candidates.into_iter().zip(there) {
            let Candidate { layer, places } = candidate;
            let mut places = places.iter();
            while let (false, Some(place)) = (is_there, places.next()) {
                is_there = self.sink.mount(&layer.blob(), place)?;
            }
            if is_there {
                self.wanted.remove(&layer.diff_id());
                self.pushed.add(layer);
            }
        }
        Ok(())
    }
}

/// Forgets the layers of `image`, whose data keys go to others than is remembered.
pub(crate) fn forget(session: &Session, image: &Image) {
    let Some(cache) = Cache::of(&variable) else { return };
    let blobs: Vec<Digest> = image.layers.iter().filter_map(Layer::digest).collect();
    let forgotten = cache.read().and_then(|record| match record {
        Some(record) => cache.update(record, &session.interrupt, |record| record.forget(&blobs)),
        None => Ok(()),
    });
    if let Err(error) = forgotten {
        talk::warn(format!("the cache cannot be written: {error:#}"));
    }
}

/// Reads an image, if there is one.
pub(crate) fn read(
    session: &Session,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<Option<Image>> {
    let source = session.places.registry_source(reference)?;
    let read = |source: &Arc<dyn Source>| Artifact::read(source)?.into_image(source, platform);
    match read(&source) {
        Ok(image) => Ok(Some(image)),
        // Many registries do not tell what is not there from what may not be seen.
        Err(ReadError::Registry(
            error @ (RegistryError::Transport { .. } | RegistryError::Setup { .. }),
        )) => Err(error.into()),
        Err(error) => {
            debug!("{reference} is not used again: {error}");
            Ok(None)
        }
    }
}

/// Tells whether an image is just somebody else's, or another's passphrase's.
fn is_of_others(error: &DecryptError) -> bool {
    matches!(
        error,
        DecryptError::WrongPassphrase
            | DecryptError::NotEncrypted
            | DecryptError::ConfigNotEncrypted
            | DecryptError::Kdf(_)
    )
}

/// Returns what an engine need not export.
pub(crate) fn spared(pushed: &Pushed) -> Spared {
    Spared { configs: pushed.configs().clone(), layers: pushed.diff_ids().collect() }
}
