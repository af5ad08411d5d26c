//! The engine as a sink: one load, which all layers of an image share.

mod failure;
#[cfg(test)]
mod tests;

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::DockerArchiveWriter;
use crate::{
    Descriptor, Digest, Image, Layer, LayerForm, MediaType, Outgoing, Progress, RawManifest,
    Reference, Sink, Stage, WriteError,
};

use super::EngineError;
use super::client::{Client, Store};
use super::held;
use super::load::{BodyWriter, Load};
use failure::Failure;

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
        // An engine knows a digest only of images that it has pulled.
        let name = name.filter(|name| name.tag().is_some()).cloned();
        Self { client, name, state: Mutex::new(State::Idle) }
    }

    /// Takes the load out of `state`. If it fails, others find its failure there.
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
            (Some(name), _) => tagged(name),
            (None, Some(id)) => id.to_string(),
            (None, None) => image.id().to_string(),
        };
        let Some(loaded) = self.client.inspect(&wanted)? else {
            return Err(EngineError::NotLoaded { wanted });
        };
        // Where the ID is not the config's digest, the layers must be the image's.
        if loaded.digest() == Some(image.id())
            || (self.client.store() == Store::Other && loaded.diff_ids == held::diff_ids(image))
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
        Ok(held::held(&self.client, image)?)
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
                let failure = Failure::of(loading.give_up(error));
                let error = failure.to_error();
                *state = State::Failed(failure);
                Err(error)
            }
        }
    }

    fn put_child(&self, _: &Outgoing) -> Result<(), WriteError> {
        Err(WriteError::NoIndex("the engine"))
    }

    fn commit(&self, image: &Outgoing) -> Result<Descriptor, WriteError> {
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
    /// Cuts the load off after `error`. Returns the engine's own error, if it was the engine that
    /// stopped, and else `error`.
    fn give_up(self, error: io::Error) -> WriteError {
        self.load.refuse_writes();
        drop(self.archive);
        self.load.cut().map_or_else(|| error.into(), WriteError::from)
    }
}

/// Writes a name with its tag alone: an engine knows a digest only of images that it has pulled.
fn tagged(name: &Reference) -> String {
    format!("{}:{}", name.repository().familiar(), name.tag().unwrap_or_default())
}
