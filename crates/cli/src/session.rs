//! A session: the tools of every command, and the steps that several commands share.

use std::sync::Arc;
use std::thread;

use anyhow::Result;
use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_crypt::select::Selection;
use sealcrate_image::engine::{ExportForm, Spared};
use sealcrate_image::{
    CompressionLevel, Compressor, Descriptor, Expansion, Image, Layer, LayerForm, Location,
    Outgoing, Packing, Prefetch, Progress, Sink, Source, Spool, Transfer, WriteError,
};

use crate::args::{ImageName, RegistryArgs, SelectionArgs};
use crate::failure::Usage;
use crate::interrupt::Interrupt;
use crate::keys::Ambient;
use crate::places::Places;

/// The tools of commands that work on files alone.
pub(crate) struct Local {
    pub(crate) keys: Ambient,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) interrupt: Interrupt,
}

/// The tools of commands that work on images.
pub(crate) struct Session {
    pub(crate) keys: Ambient,
    pub(crate) places: Places,
    pub(crate) transfer: Transfer,
    pub(crate) interrupt: Interrupt,
    /// How many bytes layers may unpack to.
    expansion: Expansion,
}

impl Session {
    /// Puts a session together, as `args` say.
    pub(crate) fn new(
        local: Local,
        places: Places,
        args: &RegistryArgs,
        level: CompressionLevel,
    ) -> Self {
        let Local { keys, interrupt, .. } = local;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let transfer = Transfer {
            jobs: usize::from(args.jobs),
            compressor: Arc::new(Compressor::new(threads, level)),
            spool: places.spool().clone(),
            progress: places.progress().clone(),
        };
        Self { keys, places, transfer, interrupt, expansion: args.expansion() }
    }

    /// Returns `image`, with the bound of this session on its layers.
    pub(crate) fn bounded(&self, image: Image) -> Image {
        image.with_expansion(self.expansion)
    }

    /// Opens `from`, whose layers will go to `to`. If `to` wants compressed layers, an engine's layers are
    /// compressed on their way out of it.
    pub(crate) fn source(&self, from: &Location, to: &Location) -> Result<Arc<dyn Source>> {
        let spared = &Spared::default();
        let form = match to {
            Location::DockerArchive { .. } | Location::DockerDaemon(_) => ExportForm::AsTheyCome,
            Location::OciArchive { .. } | Location::OciLayout { .. } | Location::Registry(_) => {
                ExportForm::Packed { packing: Packing::gzip(&self.transfer.compressor), spared }
            }
        };
        self.places.source(from, form)
    }

    /// Works out which layers the user chose. `location` returns the location of a base image's name.
    pub(crate) fn selection(
        &self,
        args: &SelectionArgs,
        location: impl FnOnce(&ImageName) -> Location,
    ) -> Result<Selection> {
        Ok(match &args.base {
            _ if args.all_layers => Selection::All,
            Some(base) => {
                let base = location(base);
                refuse_base_by_tag(&base)?;
                Selection::Above(self.places.diff_ids(&base)?)
            }
            None if args.encrypt_layer.is_empty() => Selection::Label,
            None => Selection::Indices(args.encrypt_layer.clone()),
        })
    }

    /// Encrypts the layers of `image` into `sink`, and returns them as they are stored, lowest first.
    pub(crate) fn put_encrypted(
        &self,
        image: &Image,
        encryptor: &dyn ImageEncryptor,
        sink: &dyn Sink,
    ) -> Result<Vec<Layer>> {
        if sink.layer_form() == LayerForm::AsItComes {
            let text = "an encrypted image can be written to a registry or an OCI layout only";
            return Err(Usage(text.to_owned()).into());
        }
        let image = &self.bounded(image.clone());
        let (mut layers, mut present) = (image.layers.clone(), Vec::new());
        for (place, layer) in layers.iter_mut().enumerate() {
            let reused = encryptor.reused(place, layer)?;
            present.push(reused.is_some());
            if let Some(reused) = reused {
                *layer = reused;
            }
        }
        let form = LayerForm::AsItComes;
        let encrypt = |place, layer: &Layer, spool: &Spool| {
            // Nobody can have the bytes of a layer that is being encrypted. A layer in clear may be at its
            // destination already, which the caller asks first.
            let Transfer { compressor, progress, .. } = &self.transfer;
            let spool = if encryptor.encrypts(place) { spool } else { &self.transfer.spool };
            Ok::<_, anyhow::Error>(encryptor.layer(place, layer, compressor, spool, &**progress)?)
        };
        self.transfer.put_layers(&layers, &present, form, sink, encrypt)
    }

    /// Puts the layers of `image` that `sink` lacks into it as they are. Returns the image as the sink has it,
    /// not committed yet. `downloads` are the downloads of its layers.
    pub(crate) fn put_plain(
        &self,
        image: &Outgoing,
        mut downloads: Prefetch,
        sink: &dyn Sink,
    ) -> Result<Outgoing> {
        let image = &image.with_layers(self.bounded((**image).clone()).layers);
        // A manifest names the digests of its layers, so that their bytes must not change.
        let form = match &image.manifest {
            Some(_) => LayerForm::AsItComes,
            None => sink.layer_form(),
        };
        let present = sink.present(image)?;
        let Transfer { jobs, spool, progress, .. } = &self.transfer;
        downloads.start(&present, *jobs, spool, progress);
        let keep = |_, layer: &Layer, _: &Spool| Ok::<_, WriteError>(layer.clone());
        let layers = self.transfer.put_layers(&image.layers, &present, form, sink, keep)?;
        Ok(image.with_layers(layers))
    }

    /// Gives `image`, whose layers are in `sink`, its name.
    pub(crate) fn commit(&self, image: &Outgoing, sink: &dyn Sink) -> Result<Descriptor> {
        Ok(self.interrupt.hold(|| sink.commit(image))?)
    }

    /// Returns `image`, and downloads of its layers ahead of their readers if `location` is a registry.
    pub(crate) fn ahead(&self, location: &Location, image: Image) -> (Prefetch, Image) {
        match location {
            Location::Registry(_) => {
                let (downloads, layers) = Prefetch::of(&image.layers);
                (downloads, Image { layers, ..image })
            }
            _ => (Prefetch::default(), image),
        }
    }
}

/// Refuses a base image that a registry names by a tag. Anybody who may write the tag would decide which layers
/// stay in clear.
fn refuse_base_by_tag(base: &Location) -> Result<()> {
    match base {
        Location::Registry(reference) if reference.digest().is_none() => {
            let text = format!(
                "--base {}: who may write the tag would decide what stays in clear; name the base by its \
                 digest, NAME@sha256:..., or an image of the engine or of a layout",
                reference.familiar()
            );
            Err(Usage(text).into())
        }
        _ => Ok(()),
    }
}
