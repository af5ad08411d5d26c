//! Earlier pushes: the layers that another push need not send.
//!
//! The record in the cache knows them, and so do images in registries that the same passphrase opens. A
//! push uses a layer again if the registry has its blob, or takes it over from another repository. For a
//! layer from the record, [tags have to stand](standing) as this machine left them.

pub(crate) mod memory;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sealcrate_crypt::format::{EarlierImage, EarlierPush, Encryption, Pending};
use sealcrate_crypt::pushed::{Pushed, PushedLayer, Readers, Record, RecordError, Tagged};
use sealcrate_image::engine::Skipped;
use sealcrate_image::registry::RegistryError;
use sealcrate_image::{
    Artifact, Compression, DiffId, Digest, Image, Layer, Platform, ReadError, Reference,
    Repository, Sink, Source,
};
use tracing::debug;

use crate::Result;
use crate::error::ErrorSource;
use crate::listener::Notice;
use crate::session::Session;

use memory::PushMemory;
pub use standing::Doubts;
use standing::{Doubt, Standing};

/// The knowledge of earlier pushes.
pub(crate) struct Earlier<'a> {
    session: &'a Session,
    encryption: &'a dyn Encryption,
    target: &'a Reference,
    /// `None` if the state of tags does not matter.
    standing: Option<Standing<'a>>,
    memory: Option<Memory<'a>>,
}

/// The record of this machine, and the readers of the image that is being pushed.
struct Memory<'a> {
    memory: &'a dyn PushMemory,
    record: Record,
    readers: Pending<Readers>,
}

impl<'a> Memory<'a> {
    /// Reads the memory, and begins to work out the readers; `None` without a memory, or if readers cannot be
    /// recognised later.
    fn open(session: &'a Session, encryption: &dyn Encryption) -> Result<Option<Self>> {
        let Some(memory) = session.memory.as_deref() else { return Ok(None) };
        let record = match memory.read() {
            Ok(Some(record)) => record,
            Ok(None) => Record::new()?,
            Err(error) => {
                let is_damaged = is_damaged_record(&*error);
                session.notice(Notice::MemoryUnusable(error));
                // A damaged record is replaced. If the memory is not the user's alone, the user has to look
                // at it.
                if !is_damaged {
                    return Ok(None);
                }
                Record::new()?
            }
        };
        let readers = encryption.readers(record.salt());
        Ok(readers.map(|readers| Self { memory, record, readers }))
    }
}

/// Tells whether a record is damaged, and nothing else is wrong with it.
fn is_damaged_record(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|cause| cause.is::<RecordError>())
}

/// Where to look for the layers of an image.
pub(crate) struct Search<'a> {
    /// Images that may hold some of them.
    pub images: Vec<&'a Reference>,
    pub platform: Option<&'a Platform>,
    /// The diff IDs of the image.
    pub diff_ids: &'a [DiffId],
}

impl<'a> Earlier<'a> {
    /// Reads the cache, for a push to `target`.
    pub(crate) fn read(
        session: &'a Session,
        encryption: &'a dyn Encryption,
        target: &'a Reference,
        doubts: Doubts,
    ) -> Result<Self> {
        let standing = match doubts {
            Doubts::Heed => Some(Standing::new(|name| session.places.tag(name))),
            Doubts::Ignore => None,
        };
        let memory = Memory::open(session, encryption)?;
        Ok(Self { session, encryption, target, standing, memory })
    }

    /// Returns the layers that need not be sent to `sink` again.
    ///
    /// It skips layers that cannot be used, and they are sent anew. It reports manipulation.
    pub(crate) fn find(&self, search: &Search<'_>, sink: &dyn Sink) -> Result<Pushed> {
        let mut found = Found {
            wanted: search.diff_ids.iter().copied().collect(),
            sink,
            pushed: Pushed::default(),
        };
        let mut doubted = BTreeMap::new();
        if let Some(memory) = &self.memory {
            let remembered;
            (remembered, doubted) = self.remembered(memory, search)?;
            found.take(remembered)?;
            memory.record.configs().for_each(|config| found.pushed.add_config(config.to_vec()));
        }
        if self.encryption.finds_earlier_layers() {
            for reference in &search.images {
                if found.wanted.is_empty() {
                    break;
                }
                self.take_image(reference, search.platform, &mut found)?;
            }
        }
        doubted.retain(|diff_id, _| found.wanted.contains(diff_id));
        self.tell(&doubted);
        Ok(found.pushed)
    }

    /// Returns the newest of each remembered layer of the image that is beyond doubt, and the doubts about
    /// the others.
    fn remembered(
        &self,
        memory: &Memory<'_>,
        search: &Search<'_>,
    ) -> Result<(Vec<Candidate>, BTreeMap<DiffId, Doubt>)> {
        let readers = memory.readers.wait()?;
        let as_wanted = |layer: &PushedLayer| match self.encryption.compression() {
            Compression::Zstd => layer.compression == Compression::Zstd,
            _ => true,
        };
        let (mut candidates, mut doubted) = (Vec::new(), BTreeMap::new());
        let distinct: BTreeSet<&DiffId> = search.diff_ids.iter().collect();
        for diff_id in distinct {
            let layers = memory.record.layers(*diff_id, &readers);
            for remembered in layers.filter(|remembered| as_wanted(remembered.layer)) {
                let (layer, places) = (remembered.layer.clone(), remembered.places.to_vec());
                match self.doubt(memory, &layer, remembered.tags) {
                    None => {
                        candidates.push(Candidate { layer, places });
                        doubted.remove(diff_id);
                        break;
                    }
                    Some(doubt) => {
                        doubted.entry(*diff_id).or_insert(doubt);
                    }
                }
            }
        }
        Ok((candidates, doubted))
    }

    /// Returns why a remembered layer must not be used again, if it must not.
    fn doubt(
        &self,
        memory: &Memory<'_>,
        layer: &PushedLayer,
        tags: &[Arc<Tagged>],
    ) -> Option<Doubt> {
        let standing = self.standing.as_ref().filter(|_| layer.is_private())?;
        let has_put = |name: &Reference, digest| memory.record.has_put(name, digest);
        standing.check(has_put, self.target, tags).err()
    }

    fn take_image(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let Some(image) = read(self.session, reference, platform)? else { return Ok(()) };
        match self.encryption.earlier(&image) {
            Ok(EarlierPush::Unbound) => {}
            Ok(EarlierPush::Image(EarlierImage { layers, config })) => {
                let places = vec![reference.repository().clone()];
                let candidate = |layer| Candidate { layer, places: places.clone() };
                let private = layers.iter().filter(|layer| layer.is_private());
                found.pushed.add_private(private.map(|layer| layer.diff_id));
                found.take(layers.into_iter().map(candidate).collect())?;
                found.pushed.add_config(config);
            }
            Ok(EarlierPush::OfOthers(error)) => debug!("{reference} is not used again: {error}"),
            Err(error) => {
                let (name, reason) = (reference.familiar(), error.to_string());
                self.session.notice(Notice::NotUsedAgain { name, reason });
            }
        }
        Ok(())
    }

    /// Remembers that `layers` and `config` were pushed to the target, in the manifest or index `written`.
    /// `config` is as before encryption.
    pub(crate) fn remember(&self, layers: &[PushedLayer], config: &[u8], written: Digest) {
        let Some(Memory { memory, record, readers }) = &self.memory else { return };
        let written = readers.wait().map_err(ErrorSource::from).and_then(|readers| {
            let salt = *record.salt();
            let tagged = Tagged { name: self.target.clone(), digest: written };
            memory.update(record.clone(), &mut |record| {
                // Another process may have begun a record meanwhile, whose salt is another one.
                if *record.salt() == salt {
                    record.add(layers, config, &readers, tagged.clone());
                }
            })
        });
        if let Err(error) = written {
            self.session.notice(Notice::MemoryUnwritten(error));
        }
    }

    /// Gives notice, once for each reason, of layers that are encrypted anew.
    fn tell(&self, doubted: &BTreeMap<DiffId, Doubt>) {
        let mut reasons: BTreeMap<&Doubt, usize> = BTreeMap::new();
        doubted.values().for_each(|doubt| *reasons.entry(doubt).or_default() += 1);
        for (reason, layers) in reasons {
            self.session.notice(Notice::EncryptedAnew { layers, reason: reason.to_string() });
        }
    }
}

/// A layer that may be used again, and the repositories that are said to have it.
struct Candidate {
    layer: PushedLayer,
    places: Vec<Repository>,
}

/// The layers that the search wants, and those that it has found.
struct Found<'a> {
    wanted: BTreeSet<DiffId>,
    sink: &'a dyn Sink,
    pushed: Pushed,
}

impl Found<'_> {
    /// Takes the wanted layers among `candidates` that the sink has or can take over.
    fn take(&mut self, mut candidates: Vec<Candidate>) -> Result<()> {
        candidates.retain(|candidate| self.wanted.contains(&candidate.layer.diff_id));
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
                self.wanted.remove(&layer.diff_id);
                self.pushed.add(layer);
            }
        }
        Ok(())
    }
}

/// Forgets the layers of `image`, whose data keys now go to other readers than the record says.
pub(crate) fn forget(session: &Session, image: &Image) {
    let Some(memory) = &session.memory else { return };
    let blobs: Vec<Digest> = image.layers.iter().filter_map(Layer::digest).collect();
    let forgotten = memory.read().and_then(|record| match record {
        Some(record) => memory.update(record, &mut |record| record.forget(&blobs)),
        None => Ok(()),
    });
    if let Err(error) = forgotten {
        session.notice(Notice::MemoryUnwritten(error));
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
        // Many registries answer alike for a missing image and for one that the user may not see.
        Err(error) if is_out_of_reach(&error) => Err(error.into()),
        Err(error) => {
            debug!("{reference} is not used again: {error}");
            Ok(None)
        }
    }
}

/// Tells whether the registry could not even be asked.
fn is_out_of_reach(error: &ReadError) -> bool {
    matches!(error.medium(), Some(RegistryError::Transport { .. } | RegistryError::Setup { .. }))
}

/// Returns the parts that an engine need not export.
pub(crate) fn skipped(pushed: &Pushed) -> Skipped {
    Skipped { configs: pushed.configs().clone(), layers: pushed.diff_ids().collect() }
}
