//! The engine as a sink: one load, which all layers of an image share.

use std::collections::HashSet;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::DockerArchiveWriter;
use crate::{
    ChainId, Config, Damage, Descriptor, DiffId, Digest, Image, Layer, LayerForm, MediaType,
    Progress, RawManifest, Reference, Sink, Stage, WriteError,
};

use super::EngineError;
use super::client::{Client, Store};
use super::load::{BodyWriter, Load};

/// Loads one image.
pub(super) struct EngineSink {
    client: Arc<Client>,
    name: Option<Reference>,
    state: Mutex<State>,
}

enum State {
    Failed(Failure),
    Idle,
    Loaded,
    Loading(Loading),
}

struct Loading {
    load: Load,
    archive: DockerArchiveWriter<BodyWriter>,
}

impl EngineSink {
    pub(super) fn new(client: Arc<Client>, name: Option<&Reference>) -> Self {
        // An engine names nothing by digest that it has not pulled.
        let name = name.filter(|name| name.tag().is_some()).cloned();
        Self { client, name, state: Mutex::new(State::Idle) }
    }

    /// Takes the load out of `state`, and leaves there what a failure of it would say to others.
    fn take(&self, state: &mut State) -> Result<Loading, WriteError> {
        match mem::replace(state, State::Failed(Failure::Said("it broke off".to_owned()))) {
            State::Failed(failure) => {
                let error = failure.to_error();
                *state = State::Failed(failure);
                Err(error)
            }
            State::Idle => {
                let (load, body) = Load::begin(&self.client);
                Ok(Loading { load, archive: DockerArchiveWriter::new(body) })
            }
            State::Loaded => {
                *state = State::Loaded;
                Err(io::Error::other("the image has been loaded already").into())
            }
            State::Loading(loading) => Ok(loading),
        }
    }

    /// Asks the engine for the image that it says it has loaded.
    fn check(&self, image: &Image, named_id: Option<Digest>) -> Result<(), EngineError> {
        let wanted = match (&self.name, named_id) {
            (Some(name), _) => name.familiar(),
            (None, Some(id)) => id.to_string(),
            (None, None) => image.id().to_string(),
        };
        let Some(loaded) = self.client.inspect(&wanted)? else {
            return Err(EngineError::NotLoaded { wanted });
        };
        // Where the ID is not the config's digest, the layers must be the image's.
        if loaded.digest() == Some(image.id())
            || (self.client.store()? == Store::Other && loaded.diff_ids == diff_ids(image))
        {
            return Ok(());
        }
        Err(EngineError::NotLoaded { wanted })
    }
}

impl Sink for EngineSink {
    fn layer_form(&self) -> LayerForm {
        LayerForm::AsItComes
    }

    fn present(&self, image: &Image) -> Result<Vec<bool>, WriteError> {
        if image.layers.is_empty() || self.client.store()? != Store::Classic {
            return Ok(vec![false; image.layers.len()]);
        }
        let mut held = HashSet::new();
        for image in self.client.images()? {
            held.extend(ChainId::of(&image.diff_ids));
        }
        let chain = ChainId::of(&diff_ids(image));
        let is_held = |i| chain.get(i).is_some_and(|id| held.contains(id));
        Ok((0..image.layers.len()).map(is_held).collect())
    }

    fn put(&self, layer: &Layer, progress: &dyn Progress) -> Result<(), WriteError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut loading = self.take(&mut state)?;
        let meter = progress.begin(Stage::Store, &layer.name(), Some(layer.size()));
        match loading.archive.put_metered(layer, &*meter) {
            Ok(()) => {
                *state = State::Loading(loading);
                meter.done();
                Ok(())
            }
            Err(error) => {
                let error = loading.give_up(error);
                *state = State::Failed(Failure::of(&error));
                Err(error)
            }
        }
    }

    fn put_child(&self, _: &Image) -> Result<(), WriteError> {
        Err(WriteError::NoIndex("the engine"))
    }

    fn commit(&self, image: &Image) -> Result<Descriptor, WriteError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Loading { load, archive } = self.take(&mut state)?;
        let names = self.name.iter().collect::<Vec<_>>();
        let ended = archive.finish(image, &names).and_then(BodyWriter::end);
        let named_id = match ended {
            Ok(()) => load.finish()?,
            Err(error) => return Err(load.cut().map_or_else(|| error.into(), WriteError::from)),
        };
        self.check(image, named_id)?;
        *state = State::Loaded;
        Ok(Descriptor::of(MediaType::DOCKER_CONFIG, &image.config))
    }

    fn commit_index(&self, _: &RawManifest) -> Result<Descriptor, WriteError> {
        Err(WriteError::NoIndex("the engine"))
    }
}

impl Drop for EngineSink {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Loading(loading) = mem::replace(state, State::Idle) {
            loading.give_up(io::ErrorKind::Interrupted.into());
        }
    }
}

impl Loading {
    /// Cuts the load off after `error`, and tells whose the error was: the engine's, if it was the
    /// engine that stopped, and else as it is.
    fn give_up(self, error: io::Error) -> WriteError {
        self.load.refuse_writes();
        drop(self.archive);
        self.load.cut().map_or_else(|| error.into(), WriteError::from)
    }
}

/// The diff IDs that the config names, or, up to the first that is not known, those of the layers.
fn diff_ids(image: &Image) -> Vec<DiffId> {
    match Config::parse(&image.config) {
        Ok(config) => config.diff_ids().to_vec(),
        Err(_) => image.layers.iter().map_while(Layer::diff_id).collect(),
    }
}

/// What is told to whoever comes after the layer that failed. Several layers are put at once, and
/// which of the errors is reported is left to chance: it must not matter.
enum Failure {
    Damage(Damage),
    Engine(EngineError),
    Said(String),
}

impl Failure {
    fn of(error: &WriteError) -> Self {
        let damage = |error: &io::Error| error.get_ref()?.downcast_ref::<Damage>().cloned();
        match error {
            WriteError::Engine(error) => Self::Engine(error.clone()),
            WriteError::Io(error) if let Some(damage) = damage(error) => Self::Damage(damage),
            other => Self::Said(other.to_string()),
        }
    }

    fn to_error(&self) -> WriteError {
        match self {
            Self::Damage(damage) => io::Error::from(damage.clone()).into(),
            Self::Engine(error) => error.clone().into(),
            Self::Said(reason) => EngineError::GivenUp { reason: reason.clone() }.into(),
        }
    }
}
