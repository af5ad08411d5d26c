//! Earlier pushes: the layers that another push need not send.
//!
//! The record in the cache knows them, and so do images in registries that the same passphrase opens. A
//! push uses a layer again if the registry has its blob, or takes it over from another repository. For a
//! layer from the record, [tags have to stand](standing) as this machine left them.

mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::format::{EarlierImage, EarlierPush, Encryption, Pending};
use sealcrate_crypt::pushed::{Pushed, PushedLayer, Readers, Record, RecordError, Tagged};
use sealcrate_image::engine::Spared;
use sealcrate_image::registry::RegistryError;
use sealcrate_image::{
    Artifact, Compression, DiffId, Digest, Image, Layer, Platform, ReadError, Reference,
    Repository, Sink, Source,
};
use tracing::debug;

use crate::cache::Cache;
use crate::interrupt::Interrupt;
use crate::places::variable;
use crate::session::Session;
use crate::{report, talk};

pub(crate) use standing::Doubts;
use standing::{Doubt, Standing};

/// The knowledge of earlier pushes.
pub(crate) struct Earlier<'a> {
    session: &'a Session,
    encryption: &'a dyn Encryption,
    target: &'a Reference,
    /// `None` if the state of tags does not matter.
    standing: Option<Standing<'a>>,
    memory: Option<Memory>,
}

/// The record of this machine, and the readers of the image that is being pushed.
struct Memory {
    cache: Cache,
    record: Record,
    readers: Pending<Readers>,
}

impl Memory {
    /// Reads the cache, and begins to work out the readers; `None` without a cache, or if readers cannot be
    /// recognised later.
    fn open(encryption: &dyn Encryption, interrupt: &Interrupt) -> Result<Option<Self>> {
        let Some(cache) = Cache::of(&variable) else { return Ok(None) };
        let record = match cache.read(interrupt) {
            Ok(Some(record)) => record,
            Ok(None) => Record::new()?,
            Err(error) => {
                talk::warn(format!("the cache is not used: {error:#}"));
                // A damaged record is replaced. If the cache is not the user's alone, the user has to look
                // at it.
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

/// Where to look for the layers of an image.
pub(crate) struct Search<'a> {
    /// Images that may hold some of them.
    pub(crate) images: Vec<&'a Reference>,
    pub(crate) platform: Option<&'a Platform>,
    /// The diff IDs of the image.
    pub(crate) diff_ids: &'a [DiffId],
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
        let memory = Memory::open(encryption, &session.interrupt)?;
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
        tell(&doubted);
        Ok(found.pushed)
    }

    /// Returns the newest of each remembered layer of the image that is beyond doubt, and the doubts about
    /// the others.
    fn remembered(
        &self,
        memory: &Memory,
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
    fn doubt(&self, memory: &Memory, layer: &PushedLayer, tags: &[Arc<Tagged>]) -> Option<Doubt> {
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
                talk::warn(format!("{} is not used again: {error}", reference.familiar()));
            }
        }
        Ok(())
    }

    /// Remembers that `layers` and `config` were pushed to the target, in the manifest or index `written`.
    /// `config` is as before encryption.
    pub(crate) fn remember(&self, layers: &[PushedLayer], config: &[u8], written: Digest) {
        let Some(Memory { cache, record, readers }) = &self.memory else { return };
        let written = readers.wait().map_err(anyhow::Error::from).and_then(|readers| {
            let salt = *record.salt();
            let tagged = Tagged { name: self.target.clone(), digest: written };
            cache.update(record.clone(), &self.session.interrupt, |record| {
                // Another process may have begun a record meanwhile, whose salt is another one.
                if *record.salt() == salt {
                    record.add(layers, config, &readers, tagged);
                }
            })
        });
        if let Err(error) = written {
            talk::warn(format!("the cache cannot be written: {error:#}"));
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

/// Says, in one line for each reason, why layers are encrypted anew.
fn tell(doubted: &BTreeMap<DiffId, Doubt>) {
    let mut reasons: BTreeMap<&Doubt, usize> = BTreeMap::new();
    doubted.values().for_each(|doubt| *reasons.entry(doubt).or_default() += 1);
    for (reason, count) in reasons {
        let layers = match count {
            1 => "1 layer is".to_owned(),
            _ => format!("{count} layers are"),
        };
        let reason = report::printable(&reason.to_string());
        talk::note(format!(
            "{layers} encrypted anew: {reason} (--reuse-anyway uses earlier ones again)"
        ));
    }
}

/// Forgets the layers of `image`, whose data keys now go to other readers than the record says.
pub(crate) fn forget(session: &Session, image: &Image) {
    let Some(cache) = Cache::of(&variable) else { return };
    let blobs: Vec<Digest> = image.layers.iter().filter_map(Layer::digest).collect();
    let forgotten = cache.read(&session.interrupt).and_then(|record| match record {
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
        // Many registries answer alike for a missing image and for one that the user may not see.
        Err(ReadError::Registry(
            error @ (RegistryError::Transport { .. } | RegistryError::Setup { .. }),
        )) => Err(error.into()),
        Err(error) => {
            debug!("{reference} is not used again: {error}");
            Ok(None)
        }
    }
}

/// Returns the parts that an engine need not export.
pub(crate) fn spared(pushed: &Pushed) -> Spared {
    Spared { configs: pushed.configs().clone(), layers: pushed.diff_ids().collect() }
}
