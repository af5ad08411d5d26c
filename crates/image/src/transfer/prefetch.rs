//! Prefetching: downloads of several blobs at once, ahead of their readers.
//!
//! Each blob goes to an unnamed file as its bytes come, checked against its digest, and its readers
//! follow behind the writer. So a sink that takes one layer after the other never waits for an idle
//! connection, and reads a layer while it still arrives.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::transfer::files::incoming::{IncomingBlob, IncomingContent};
use crate::{Digest, Layer, Progress, Spool, Stage};

const BUFFER: usize = 128 << 10;

/// Downloads that are under way. Dropped, it stops them.
#[derive(Default)]
pub struct Prefetch {
    stop: Arc<AtomicBool>,
    blobs: Vec<(Layer, Arc<IncomingBlob>)>,
}

impl Prefetch {
    /// Prepares to fetch `layers`. Nothing is fetched before [`start`](Self::start).
    ///
    /// Returns the layers to read instead, each with the same digests as before.
    pub fn of(layers: &[Layer]) -> (Self, Vec<Layer>) {
        // A blob that occurs twice in an image comes once.
        let mut incoming_by_digest: HashMap<Option<Digest>, Arc<IncomingBlob>> = HashMap::new();
        let mut blobs = Vec::new();
        let fetched = layers
            .iter()
            .map(|layer| {
                let incoming = incoming_by_digest.entry(layer.digest()).or_default().clone();
                blobs.push((layer.clone(), incoming.clone()));
                layer.with_content(Arc::new(IncomingContent::new(incoming, layer.digest())))
            })
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        (Self { stop, blobs }, fetched)
    }

    /// Starts to fetch the layers that are not `present`, in their order and `jobs` at once.
    pub fn start(
        &mut self,
        present: &[bool],
        jobs: usize,
        spool: &Spool,
        progress: &Arc<dyn Progress>,
    ) {
        let mut queue: VecDeque<Task> = VecDeque::new();
        for (i, (layer, incoming)) in self.blobs.drain(..).enumerate() {
            let wanted = !present.get(i).copied().unwrap_or(false);
            if wanted && !queue.iter().any(|task| Arc::ptr_eq(&task.incoming, &incoming)) {
                queue.push_back(Task { layer, incoming });
            }
        }
        let workers = jobs.max(1).min(queue.len());
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..workers {
            let (queue, stop) = (queue.clone(), self.stop.clone());
            let (spool, progress) = (spool.clone(), progress.clone());
            thread::spawn(move || {
                loop {
                    let task = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(task) = task else { return };
                    let outcome = task.fetch(&spool, &*progress, &stop);
                    task.incoming.end(outcome);
                }
            });
        }
    }
}

impl Drop for Prefetch {
    /// Does not wait for the threads: one of them may hang on a silent connection.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One blob to fetch.
struct Task {
    layer: Layer,
    incoming: Arc<IncomingBlob>,
}

impl Task {
    fn fetch(&self, spool: &Spool, progress: &dyn Progress, stop: &AtomicBool) -> io::Result<()> {
        let stopped = || io::Error::other("the download was stopped");
        if stop.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        let meter = progress.begin(Stage::Download, &self.layer.name(), Some(self.layer.size()));
        spool.room().has(self.layer.size())?;
        let file = Arc::new(spool.file()?);
        self.incoming.begin(file.clone());
        let mut reader = self.layer.open_stored()?;
        let mut buffer = vec![0; BUFFER];
        let mut position = 0;
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                meter.done();
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(stopped());
            }
            spool.room().take(count as u64)?;
            file.write_all_at(&buffer[..count], position)?;
            position += count as u64;
            meter.advance(count as u64);
            self.incoming.advance(position);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // A reader must not wait for ever for a blob whose worker is gone.
        self.incoming.end(Err(io::Error::other("the blob was not fetched")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Damage, Descriptor, MediaType, Quiet};

    fn layer(bytes: &[u8], claimed: &[u8]) -> Layer {
        let descriptor = Descriptor::of(MediaType::DOCKER_LAYER, claimed);
        Layer::stored(descriptor, None, Arc::new(bytes.to_vec()))
    }

    fn read(layer: &Layer) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        layer.open()?.read_to_end(&mut bytes).map(|_| bytes)
    }

    fn start(layers: &[Layer], present: &[bool]) -> (Prefetch, Vec<Layer>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (mut prefetch, fetched) = Prefetch::of(layers);
        let progress: Arc<dyn Progress> = Arc::new(Quiet);
        prefetch.start(present, 2, &Spool::in_folder(folder.path()), &progress);
        (prefetch, fetched, folder)
    }

    #[test]
    fn fetched_layers_are_the_same_and_can_be_read_again() {
        let bytes = vec![7; 3 * BUFFER + 1];
        let layers = [layer(&bytes, &bytes), layer(b"x", b"x"), layer(&bytes, &bytes)];
        let (_prefetch, fetched, _folder) = start(&layers, &[]);
        for _ in 0..2 {
            assert!(read(&fetched[0]).unwrap() == bytes);
            assert_eq!(read(&fetched[1]).unwrap(), b"x");
            assert!(read(&fetched[2]).unwrap() == bytes);
        }
    }

    #[test]
    fn blob_that_cannot_fit_is_not_even_asked_for() {
        struct Never;
        impl Content for Never {
            fn open(&self) -> io::Result<Box<dyn Read + Send>> {
                panic!("it was opened")
            }
        }
        let descriptor =
            Descriptor { size: 1 << 60, ..layer(b"x", b"x").descriptor().unwrap().clone() };
        let huge = Layer::stored(descriptor, None, Arc::new(Never));
        let (_prefetch, fetched, _folder) = start(&[huge], &[]);
        assert_eq!(read(&fetched[0]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn damage_reaches_the_reader_as_such() {
        let (_prefetch, fetched, _folder) = start(&[layer(b"bad", b"good")], &[]);
        let error = read(&fetched[0]).unwrap_err().into_inner().unwrap();
        assert!(error.downcast_ref::<Damage>().is_some(), "{error}");
        assert!(read(&fetched[0]).is_err());
    }

    #[test]
    fn what_is_present_is_not_fetched_and_nobody_waits_for_it() {
        struct Never;
        impl Content for Never {
            fn open(&self) -> io::Result<Box<dyn Read + Send>> {
                panic!("it was opened")
            }
        }
        let there = layer(b"there", b"there").with_content(Arc::new(Never));
        let (prefetch, fetched, _folder) = start(&[there, layer(b"x", b"x")], &[true, false]);
        assert_eq!(read(&fetched[1]).unwrap(), b"x");
        drop(prefetch);
    }
}
