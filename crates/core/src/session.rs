//! A session: the tools of every operation, and the steps that several operations share.

use std::sync::Arc;
use std::thread;

use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_image::{
    CompressionLevel, Compressor, Descriptor, Expansion, Image, Index, Layer, LayerForm, Location,
    Outgoing, Prefetch, Quiet, Sink, Spool, Transfer, WriteError,
};

use crate::Result;
use crate::earlier::memory::PushMemory;
use crate::error::{Error, Refusal};
use crate::listener::{Listener, Notice, Silent};
use crate::places::Places;

/// The tools of operations on images.
pub struct Session {
    /// The places.
    pub places: Box<dyn Places>,
    /// The way of layers into a sink.
    pub transfer: Transfer,
    /// How many bytes layers may unpack to.
    pub expansion: Expansion,
    /// The memory of earlier pushes, if there is one.
    pub memory: Option<Box<dyn PushMemory>>,
    /// The listener.
    pub listener: Arc<dyn Listener>,
}

impl Session {
    /// Makes a session that works on as many layers at once as there are cores, and at most four. It
    /// remembers no pushes, and tells nobody anything. Layers wait in `spool`.
    pub fn new(places: impl Places + 'static, spool: Spool) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let transfer = Transfer {
            jobs: threads.min(4),
            compressor: Arc::new(Compressor::new(threads, CompressionLevel::default())),
            spool,
            progress: Arc::new(Quiet),
        };
        Self {
            places: Box::new(places),
            transfer,
            expansion: Expansion::default(),
            memory: None,
            listener: Arc::new(Silent),
        }
    }

    /// Returns the place where unnamed files are made.
    pub fn spool(&self) -> &Spool {
        &self.transfer.spool
    }

    /// Tells the listener.
    pub fn notice(&self, notice: Notice) {
        self.listener.notice(&notice);
    }

    /// Returns `image`, with the bound of this session on its layers.
    pub fn bounded(&self, image: Image) -> Image {
        image.with_expansion(self.expansion)
    }

    /// Encrypts the layers of `image` into `sink`, and returns them as they are stored, lowest first.
    ///
    /// # Errors
    /// The sink takes no encrypted image; errors of layers, encryptor and sink.
    pub fn put_encrypted(
        &self,
        image: &Image,
        encryptor: &dyn ImageEncryptor,
        sink: &dyn Sink,
    ) -> Result<Vec<Layer>> {
        if sink.layer_form() == LayerForm::AsItComes {
            return Err(Refusal::Destination.into());
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
            Ok::<_, Error>(encryptor.layer(place, layer, compressor, spool, &**progress)?)
        };
        self.transfer.put_layers(&layers, &present, form, sink, encrypt)
    }

    /// Puts the layers of `image` that `sink` lacks into it as they are. Returns the image as the sink has
    /// it, not committed yet. `downloads` are the downloads of its layers.
    ///
    /// # Errors
    /// Errors of layers and sink.
    pub fn put_plain(
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
    ///
    /// # Errors
    /// Errors of the sink.
    pub fn commit(&self, image: &Outgoing, sink: &dyn Sink) -> Result<Descriptor> {
        let _names = self.names();
        Ok(sink.commit(image)?)
    }

    /// Gives `index`, whose images are in `sink`, its name.
    ///
    /// # Errors
    /// Errors of the sink.
    pub fn commit_index(&self, index: &Index, sink: &dyn Sink) -> Result<Descriptor> {
        let _names = self.names();
        Ok(sink.commit_index(&index.to_raw())?)
    }

    /// Tells the listener that names are given, until the value is dropped.
    pub fn names(&self) -> Names<'_> {
        Names::begin(&*self.listener)
    }

    /// Returns `image`, and downloads of its layers that run before their readers if `location` is a
    /// registry.
    pub fn prefetched(&self, location: &Location, image: Image) -> (Prefetch, Image) {
        match location {
            Location::Registry(_) => {
                let (downloads, layers) = Prefetch::of(&image.layers);
                (downloads, Image { layers, ..image })
            }
            _ => (Prefetch::default(), image),
        }
    }
}

/// The time in which names are given.
#[must_use]
pub struct Names<'l>(&'l dyn Listener);

impl<'l> Names<'l> {
    /// Tells `listener` that names are given.
    pub(crate) fn begin(listener: &'l dyn Listener) -> Self {
        listener.names_begin();
        Self(listener)
    }
}

impl Drop for Names<'_> {
    fn drop(&mut self) {
        self.0.names_end();
    }
}
