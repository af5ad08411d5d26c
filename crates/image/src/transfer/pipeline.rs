//! Transfers: the layers of an image on their way into a sink, several at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::{
    Compression, Compressor, Layer, LayerForm, Progress, Sink, Spool, Stage, StreamedUpload,
    WriteError,
};

/// How large a layer must be to be sent while it is still prepared.
const STREAMED_FROM: u64 = 4 << 20;

/// The means of every transfer.
pub struct Transfer {
    /// How many layers are worked on at once.
    pub jobs: usize,
    /// The compressor for layers that must be compressed.
    pub compressor: Arc<Compressor>,
    /// The place where layers wait for their turn.
    pub spool: Spool,
    /// The listener.
    pub progress: Arc<dyn Progress>,
}

impl Transfer {
    /// Puts the layers into `sink` that are not `present` there.
    ///
    /// `prepare` gets each layer first, with its place, counted from 0 for the lowest, and with a spool
    /// into which it may encrypt the layer. Then the layer is brought into `form`. Bytes may already go
    /// from that spool to the sink while they are made. Returns the layers as they were put. Puts are done
    /// when this returns; after an error nothing new begins.
    ///
    /// # Errors
    /// The first error of `prepare` and of the sink.
    pub fn put_layers<E: From<WriteError> + Send>(
        &self,
        layers: &[Layer],
        present: &[bool],
        form: LayerForm,
        sink: &dyn Sink,
        prepare: impl Fn(usize, &Layer, &Spool) -> Result<Layer, E> + Sync,
    ) -> Result<Vec<Layer>, E> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let seen = Mutex::new(HashSet::new());
        let results: Mutex<Vec<Option<Layer>>> = Mutex::new(vec![None; layers.len()]);
        let first_error: Mutex<Option<(Cause, E)>> = Mutex::new(None);
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(layer) = layers.get(i) else { return };
                let outcome = if present.get(i).copied().unwrap_or(false) {
                    self.progress.present(&layer.name());
                    Ok(layer.clone())
                } else {
                    self.prepare(layer, sink, |spool| prepare(i, layer, spool))
                        .map_err(|error| (Cause::Itself, error))
                        .and_then(|(layer, upload)| {
                            let put = self.put(layer, upload, form, sink, &seen);
                            put.map_err(|error| (Cause::of(&error), error.into()))
                        })
                };
                match outcome {
                    Ok(layer) => {
                        results.lock().unwrap_or_else(PoisonError::into_inner)[i] = Some(layer);
                    }
                    Err((cause, error)) => {
                        failed.store(true, Ordering::Relaxed);
                        let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                        // The layer that failed first need not be the first to report it.
                        if first.as_ref().is_none_or(|(first, _)| cause < *first) {
                            *first = Some((cause, error));
                        }
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, layers.len().max(1)) {
                scope.spawn(work);
            }
        });
        if let Some((_, error)) = first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(results.into_iter().map(|layer| layer.expect("every layer was worked on")).collect())
    }

    /// Prepares a layer. Uploads its spooled bytes while they are made, if the layer is large enough to be
    /// worth a thread.
    fn prepare<'s, E: Send>(
        &self,
        layer: &Layer,
        sink: &'s dyn Sink,
        prepare: impl FnOnce(&Spool) -> Result<Layer, E>,
    ) -> Result<(Layer, Option<Box<dyn StreamedUpload + 's>>), E> {
        if layer.size() < STREAMED_FROM {
            return Ok((prepare(&self.spool)?, None));
        }
        let (spool, begun) = self.spool.followed();
        thread::scope(|scope| {
            let sending = scope.spawn(move || {
                let bytes = begun.recv().ok()?;
                sink.upload_streaming(&layer.name(), &bytes, &*self.progress)
            });
            let prepared = prepare(&spool);
            drop(spool);
            let upload = sending.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((prepared?, upload))
        })
    }

    fn put(
        &self,
        layer: Layer,
        upload: Option<Box<dyn StreamedUpload + '_>>,
        form: LayerForm,
        sink: &dyn Sink,
        seen: &Mutex<HashSet<String>>,
    ) -> Result<Layer, WriteError> {
        let layer = match form {
            LayerForm::AsItComes => layer,
            LayerForm::Packed(_) if layer.is_packed()? => layer,
            LayerForm::Packed(family) => {
                let stage = match layer.compression()? {
                    Compression::None => Stage::Compress,
                    // It is compressed already, and only its digest is not known.
                    Compression::Gzip | Compression::Zstd => Stage::Decrypt,
                };
                let meter = self.progress.begin(stage, &layer.name(), Some(layer.size()));
                let packed = layer.packed(family, &self.compressor, &self.spool, &*meter)?;
                meter.done();
                packed
            }
        };
        // A blob that occurs twice in an image goes once.
        let key = match layer.digest() {
            Some(digest) => digest.to_string(),
            None => format!("{:?}", layer.diff_id()),
        };
        let is_new = seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        if is_new && !upload.is_some_and(|upload| upload.settle(&layer)) {
            sink.put(&layer, &*self.progress)?;
        }
        Ok(layer)
    }
}

/// Why a layer was not put; the variant that says more comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Itself,
    /// Another layer has spoilt the sink.
    Another,
}

impl Cause {
    fn of(error: &WriteError) -> Self {
        if error.follows_another() { Self::Another } else { Self::Itself }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchiveError;

    #[test]
    fn error_that_came_first_is_told_and_not_the_one_that_followed() {
        let itself = [
            Cause::of(&WriteError::from(ArchiveError::Truncated("a".into()))),
            Cause::of(&WriteError::NoIndex("a tape")),
        ];
        let followed = Cause::of(&WriteError::from(ArchiveError::Unfinished));
        assert!(itself.iter().all(|cause| *cause < followed));
    }
}
