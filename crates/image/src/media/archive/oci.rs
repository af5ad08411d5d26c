//! Tar files of OCI image layouts.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ArchiveError;
use super::docker::Absent;
use super::entries::Entries;
use super::target::{Target, TargetWriter};
use super::writer::append;
use crate::layout::{
    Files, LAYER_FORM, Layout, MARKER, blob_name, check_index, image_manifest, named, with_entry,
};
use crate::transfer::progress::MeteredReader;
use crate::{
    Content, Descriptor, Digest, Image, Index, Layer, LayerForm, Leftovers, ManifestError,
    Outgoing, Progress, RawManifest, ReadError, Sink, Source, Stage, WriteError,
};

/// An image, or index of images, in a tar file.
pub struct OciArchiveSource(Layout<Entries>);

impl OciArchiveSource {
    /// Opens the image `name` of the layout in `file`, or its only image where `name` is `None`.
    /// All reading is by position: the file may be shared.
    ///
    /// # Errors
    /// A file that is no tar of a layout, malformed, or over its bounds; no such image, or several.
    pub fn open(file: Arc<File>, name: Option<&str>) -> Result<Self, ArchiveError> {
        Ok(Self(Layout::open(Entries::read(file)?, name)?))
    }
}

impl Files for Entries {
    fn file(&self, name: &str) -> Arc<dyn Content> {
        match self.find(name) {
            Ok(file) => Arc::new(file.slice.clone()),
            Err(_) => Arc::new(Absent(name.to_owned())),
        }
    }
}

impl Source for OciArchiveSource {
    fn root(&self) -> Result<RawManifest, ReadError> {
        self.0.root()
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ReadError> {
        self.0.manifest(descriptor)
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        self.0.blob(descriptor)
    }
}

/// A place for one image, or index of images, in a new tar file.
///
/// The file gets its name when the image is committed. Layers go in one after the other.
pub struct OciArchiveSink {
    name: Option<String>,
    /// Gone once the image is committed, or a blob could not be written.
    archive: Mutex<Option<Archive>>,
}

struct Archive {
    target: Target,
    tar: tar::Builder<TargetWriter>,
    /// The blobs that it holds, and their lengths.
    blobs: HashMap<Digest, u64>,
}

impl OciArchiveSink {
    /// Prepares to write the file `file`, in whose layout the image is called `name`.
    /// A temporary name of it is on the list `leftovers`.
    ///
    /// # Errors
    /// A file that exists; a folder that is not there or not writable.
    pub fn create(
        file: &Path,
        name: Option<&str>,
        leftovers: &Leftovers,
    ) -> Result<Self, ArchiveError> {
        let (target, output) = Target::create(file, leftovers)?;
        let mut tar = tar::Builder::new(output);
        append(&mut tar, "oci-layout", MARKER.len() as u64, MARKER)?;
        let archive = Mutex::new(Some(Archive { target, tar, blobs: HashMap::new() }));
        Ok(Self { name: name.map(ToOwned::to_owned), archive })
    }

    /// Runs `work` on the archive. If it fails, nobody may use the archive any more.
    fn with_archive<T>(
        &self,
        work: impl FnOnce(&mut Archive) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mut slot = self.archive();
        let mut archive = slot.take().ok_or(ArchiveError::Unfinished)?;
        let result = work(&mut archive)?;
        *slot = Some(archive);
        Ok(result)
    }

    fn finish(&self, root: &RawManifest) -> Result<Descriptor, WriteError> {
        let Archive { target, mut tar, .. } =
            self.archive().take().ok_or(ArchiveError::Unfinished)?;
        let entry = named(root, self.name.as_deref());
        let index = with_entry(Index::new(Vec::new()), entry).to_raw();
        append(&mut tar, "index.json", index.bytes().len() as u64, index.bytes())?;
        tar.into_inner()?.flush()?;
        target.name()?;
        Ok(root.descriptor())
    }

    fn archive(&self) -> MutexGuard<'_, Option<Archive>> {
        self.archive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Archive {
    fn holds(&self, blob: &Descriptor) -> bool {
        self.blobs.get(&blob.digest) == Some(&blob.size)
    }

    fn take(&mut self, blob: &[u8], digest: Digest) -> Result<(), WriteError> {
        let size = blob.len() as u64;
        if self.blobs.insert(digest, size).is_none() {
            append(&mut self.tar, &blob_name(digest), size, blob)?;
        }
        Ok(())
    }

    fn take_image(&mut self, image: &Image) -> Result<RawManifest, WriteError> {
        let raw = image_manifest(image, |blob| self.holds(blob))?;
        self.take(&image.config, image.id())?;
        self.take(raw.bytes(), raw.digest())?;
        Ok(raw)
    }
}

impl Sink for OciArchiveSink {
    fn layer_form(&self) -> LayerForm {
        LAYER_FORM
    }

    fn present(&self, image: &Image) -> Result<Vec<bool>, WriteError> {
        Ok(vec![false; image.layers.len()])
    }

    fn put(&self, layer: &Layer, progress: &dyn Progress) -> Result<(), WriteError> {
        let digest = layer.digest().ok_or_else(|| ManifestError::LayerNotStored(layer.name()))?;
        self.with_archive(|archive| {
            if archive.blobs.contains_key(&digest) {
                return Ok(());
            }
            let meter = progress.begin(Stage::Store, &layer.name(), Some(layer.size()));
            let reader = MeteredReader::new(layer.open_to_keep()?, &*meter);
            append(&mut archive.tar, &blob_name(digest), layer.size(), reader)?;
            archive.blobs.insert(digest, layer.size());
            meter.done();
            Ok(())
        })
    }

    fn put_child(&self, image: &Outgoing) -> Result<(), WriteError> {
        self.with_archive(|archive| archive.take_image(image).map(|_| ()))
    }

    fn commit(&self, image: &Outgoing) -> Result<Descriptor, WriteError> {
        let root = self.with_archive(|archive| archive.take_image(image))?;
        self.finish(&root)
    }

    fn commit_index(&self, index: &RawManifest) -> Result<Descriptor, WriteError> {
        self.with_archive(|archive| {
            check_index(index, |child| archive.holds(child))?;
            archive.take(index.bytes(), index.digest())
        })?;
        self.finish(index)
    }
}
