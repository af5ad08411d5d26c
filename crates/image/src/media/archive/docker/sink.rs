//! Writing docker archives into files.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::archive::target::{Target, TargetWriter};
use crate::archive::{ArchiveError, DockerArchiveWriter};
use crate::{
    Descriptor, Image, Layer, LayerForm, Leftovers, MediaType, Outgoing, Progress, RawManifest,
    Reference, Sink, Stage, WriteError,
};

const WHAT: &str = "a docker archive";

/// A place for one image in a new file, as `docker save` would write it.
///
/// The file gets its name when the image is committed. Layers go in one after the other.
pub struct DockerArchiveSink {
    name: Option<Reference>,
    /// Gone once the image is committed.
    archive: Mutex<Option<(Target, DockerArchiveWriter<TargetWriter>)>>,
}

impl DockerArchiveSink {
    /// Prepares to write the file `file`, in which the image is called `name`.
    /// A temporary name of it is on the list `leftovers`.
    ///
    /// # Errors
    /// A file that exists; a folder that is not there or not writable; a name without a tag.
    pub fn create(
        file: &Path,
        name: Option<&Reference>,
        leftovers: &Leftovers,
    ) -> Result<Self, ArchiveError> {
        if let Some(name) = name.filter(|name| name.tag().is_none()) {
            return Err(ArchiveError::NoTag(name.familiar()));
        }
        let (target, output) = Target::create(file, leftovers)?;
        let archive = Mutex::new(Some((target, DockerArchiveWriter::new(output))));
        Ok(Self { name: name.cloned(), archive })
    }

    fn archive(&self) -> MutexGuard<'_, Option<(Target, DockerArchiveWriter<TargetWriter>)>> {
        self.archive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for DockerArchiveSink {
    fn layer_form(&self) -> LayerForm {
        LayerForm::AsItComes
    }

    fn present(&self, image: &Image) -> Result<Vec<bool>, WriteError> {
        Ok(vec![false; image.layers.len()])
    }

    fn put(&self, layer: &Layer, progress: &dyn Progress) -> Result<(), WriteError> {
        let mut archive = self.archive();
        let (_, writer) = archive.as_mut().ok_or(ArchiveError::Unfinished)?;
        let meter = progress.begin(Stage::Store, &layer.name(), Some(layer.size()));
        writer.put_metered(layer, &*meter)?;
        meter.done();
        Ok(())
    }

    fn put_child(&self, _: &Outgoing) -> Result<(), WriteError> {
        Err(WriteError::NoIndex(WHAT))
    }

    /// Returns a descriptor of the config: engines know the image by its digest.
    fn commit(&self, image: &Outgoing) -> Result<Descriptor, WriteError> {
        let (target, writer) = self.archive().take().ok_or(ArchiveError::Unfinished)?;
        writer.check_put(image)?;
        let names: Vec<&Reference> = self.name.iter().collect();
        writer.finish(image, &names)?.flush()?;
        target.name()?;
        Ok(Descriptor::of(MediaType::DOCKER_CONFIG, &image.config))
    }

    fn commit_index(&self, _: &RawManifest) -> Result<Descriptor, WriteError> {
        Err(WriteError::NoIndex(WHAT))
    }
}
