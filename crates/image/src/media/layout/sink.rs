//! Writing layouts into folders.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::FlockOperation;

use super::entry::{MAX_MARKER_BYTES, check_marker, parse_index};
use super::files::read_whole;
use super::folder::Folder;
use super::made::Made;
use super::{
    LAYER_FORM, LayoutError, MARKER, Unremoved, check_index, image_manifest, named, replaced,
    with_entry,
};
use crate::transfer::files::room::{InRoom, Room};
use crate::transfer::progress::MeteredReader;
use crate::{
    Descriptor, Digest, Image, Index, Layer, LayerForm, Leftovers, MAX_MANIFEST_BYTES,
    ManifestError, Outgoing, Progress, RawManifest, Sink, Stage, TemporaryFile, WriteError,
};

/// The process's umask decides which permissions others have on blobs.
const MODE: u32 = 0o666;

/// A place for one image, or index of images, in a folder.
///
/// Blobs wait in unnamed files on the folder's file system, one open file each, until the image is
/// committed. Only then does it make folders; it replaces `index.json` as the last step. Then it removes
/// the blobs that only an image of the same name had named, which this image replaces.
pub struct LayoutSink {
    folder: Folder,
    name: Option<String>,
    /// The folder itself, or the nearest folder above it that exists.
    existing: PathBuf,
    waiting: Mutex<HashMap<Digest, Waiting>>,
    /// Blobs that are there and were found whole, with their lengths.
    whole: Mutex<HashMap<Digest, u64>>,
    leftovers: Leftovers,
    tell: Box<dyn Fn(&Unremoved) + Send + Sync>,
    room: Room,
}

/// A blob that is complete and has no name yet.
struct Waiting {
    file: TemporaryFile,
    len: u64,
}

impl LayoutSink {
    /// Prepares to write the image `name` into the layout in `folder`, which need not exist. Names that
    /// files get before the commit are on the list `leftovers`.
    ///
    /// # Errors
    /// A folder that holds something else than a layout, or one that cannot be read.
    pub fn create(
        folder: &Path,
        name: Option<&str>,
        leftovers: &Leftovers,
    ) -> Result<Self, LayoutError> {
        let accessed = |source| LayoutError::Io { path: folder.to_owned(), source };
        let existing = folder
            .ancestors()
            .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
            .find(|folder| folder.symlink_metadata().is_ok())
            .ok_or_else(|| accessed(io::ErrorKind::NotFound.into()))?;
        if !existing.is_dir() {
            return Err(accessed(io::ErrorKind::NotADirectory.into()));
        }
        if existing == folder && fs::read_dir(folder).map_err(accessed)?.next().is_some() {
            if !folder.join("oci-layout").is_file() {
                return Err(LayoutError::NotALayout(folder.to_owned()));
            }
            let files = Folder(folder.to_owned());
            check_marker(&read_whole(&files, "oci-layout", MAX_MARKER_BYTES)?)?;
        }
        let sink = Self {
            folder: Folder(folder.to_owned()),
            name: name.map(ToOwned::to_owned),
            existing: existing.to_owned(),
            waiting: Mutex::default(),
            whole: Mutex::default(),
            leftovers: leftovers.clone(),
            tell: Box::new(|_| ()),
            room: Room::of(existing),
        };
        // It is better to fail now than after all the work.
        sink.folder.check_links()?;
        sink.read_index()?;
        Ok(sink)
    }

    /// Calls `tell` when blobs of a replaced image stay, although perhaps nothing names them any more.
    #[must_use]
    pub fn telling(mut self, tell: impl Fn(&Unremoved) + Send + Sync + 'static) -> Self {
        self.tell = Box::new(tell);
        self
    }

    /// Takes a blob, read to its end.
    fn take(&self, digest: Digest, mut reader: impl Read) -> Result<(), WriteError> {
        let file = TemporaryFile::create_in(&self.existing, MODE, &self.leftovers)
            .map_err(|source| LayoutError::Io { path: self.existing.clone(), source })?;
        let writer = InRoom { file: file.file(), room: &self.room };
        let mut writer = BufWriter::with_capacity(256 << 10, writer);
        let len = io::copy(&mut reader, &mut writer)?;
        writer.flush()?;
        drop(writer);
        self.waiting().insert(digest, Waiting { file, len });
        Ok(())
    }

    /// Tells whether a blob is there or waits.
    fn holds(&self, blob: &Descriptor) -> bool {
        let waits = self.waiting().get(&blob.digest).is_some_and(|found| found.len == blob.size);
        waits || self.has(blob.digest, blob.size)
    }

    /// Tells whether a blob is there and whole. The first call for it reads it to its end.
    fn has(&self, digest: Digest, len: u64) -> bool {
        if !self.folder.has_file_of(digest, len) {
            self.whole().remove(&digest);
            return false;
        }
        if self.whole().get(&digest) == Some(&len) {
            return true;
        }
        let is_whole = self.folder.is_whole(digest, len);
        if is_whole {
            self.whole().insert(digest, len);
        }
        is_whole
    }

    fn whole(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Digest, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the config and manifest of an image whose layers are there or wait.
    fn take_image(&self, image: &Image) -> Result<RawManifest, WriteError> {
        let raw = image_manifest(image, |blob| self.holds(blob))?;
        self.take(image.id(), image.config.as_slice())?;
        self.take(raw.digest(), raw.bytes())?;
        Ok(raw)
    }

    /// Gives every waiting blob its name, and then adds the entry for `root` to the layout's list.
    fn publish(&self, root: &RawManifest) -> Result<Descriptor, LayoutError> {
        let mut folders = Made::new(&self.leftovers);
        folders.folders(&self.folder.0.join("blobs/sha256"))?;
        self.folder.check_links()?;
        // Any other writer of this layout waits, so that neither loses the other's entry, nor a blob that
        // the other removes.
        let _lock = self.lock()?;
        let mut made = Made::new(&self.leftovers);
        // A blob may have gone with the image that had named it.
        if let Some((gone, _)) =
            self.whole().iter().find(|(digest, len)| !self.folder.has_file_of(**digest, **len))
        {
            return Err(LayoutError::BlobAbsent(*gone));
        }
        for (digest, Waiting { file, len }) in self.waiting().drain() {
            let path = self.folder.blob_path(digest);
            if self.has(digest, len) {
                continue;
            }
            remove_damaged(&path)?;
            if !made.file(file, &path)? && !self.has(digest, len) {
                let source = io::ErrorKind::AlreadyExists.into();
                return Err(LayoutError::Io { path, source });
            }
        }
        let marker = self.folder.0.join("oci-layout");
        if !marker.exists() {
            let failed = |source| LayoutError::Io { path: marker.clone(), source };
            let file =
                TemporaryFile::create_in(&self.folder.0, MODE, &self.leftovers).map_err(failed)?;
            file.file().write_all(MARKER).map_err(failed)?;
            made.file(file, &marker)?;
        }
        let entry = named(root, self.name.as_deref());
        let old = self.read_index()?;
        let index = with_entry(old.clone(), entry);
        self.replace_index(&index, folders, made)?;
        let is_gone = |entry: &&Descriptor| !index.manifests.contains(entry);
        let gone: Vec<Descriptor> = old.manifests.iter().filter(is_gone).cloned().collect();
        if let Err(unremoved) = replaced::remove(&self.folder, &gone, &index) {
            (self.tell)(&unremoved);
        }
        Ok(root.descriptor())
    }

    fn lock(&self) -> Result<File, LayoutError> {
        let failed = |source| LayoutError::Io { path: self.folder.0.clone(), source };
        let folder = File::open(&self.folder.0).map_err(failed)?;
        rustix::fs::flock(&folder, FlockOperation::LockExclusive)
            .map_err(|error| failed(error.into()))?;
        Ok(folder)
    }

    fn read_index(&self) -> Result<Index, LayoutError> {
        if self.folder.0.join("index.json").symlink_metadata().is_err() {
            return Ok(Index::new(Vec::new()));
        }
        parse_index(read_whole(&self.folder, "index.json", MAX_MANIFEST_BYTES)?)
    }

    /// Makes `index` the layout's list, and in the same step keeps all files and folders that were made
    /// for it.
    fn replace_index(&self, index: &Index, folders: Made, made: Made) -> Result<(), LayoutError> {
        let path = self.folder.0.join("index.json");
        let failed = |source| LayoutError::Io { path: path.clone(), source };
        let file =
            TemporaryFile::create_in(&self.folder.0, MODE, &self.leftovers).map_err(failed)?;
        file.file().write_all(index.to_raw().bytes()).map_err(failed)?;
        let mut kept = folders.into_leftovers();
        kept.extend(made.into_leftovers());
        file.replace_and_keep(&path, kept).map_err(failed)
    }
}

impl Sink for LayoutSink {
    fn layer_form(&self) -> LayerForm {
        LAYER_FORM
    }

    fn present(&self, image: &Image) -> Result<Vec<bool>, WriteError> {
        let has =
            |layer: &Layer| layer.descriptor().is_some_and(|blob| self.has(blob.digest, blob.size));
        Ok(image.layers.iter().map(has).collect())
    }

    fn put(&self, layer: &Layer, progress: &dyn Progress) -> Result<(), WriteError> {
        let digest = layer.digest().ok_or_else(|| ManifestError::LayerNotStored(layer.name()))?;
        let meter = progress.begin(Stage::Store, &layer.name(), Some(layer.size()));
        self.take(digest, MeteredReader::new(layer.open_to_keep()?, &*meter))?;
        meter.done();
        Ok(())
    }

    fn put_child(&self, image: &Outgoing) -> Result<(), WriteError> {
        self.take_image(image).map(|_| ())
    }

    fn commit(&self, image: &Outgoing) -> Result<Descriptor, WriteError> {
        Ok(self.publish(&self.take_image(image)?)?)
    }

    fn commit_index(&self, index: &RawManifest) -> Result<Descriptor, WriteError> {
        check_index(index, |child| self.holds(child))?;
        self.take(index.digest(), index.bytes())?;
        Ok(self.publish(index)?)
    }
}

/// Removes a file whose bytes cannot be the blob of its name.
fn remove_damaged(path: &Path) -> Result<(), LayoutError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LayoutError::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::fixtures::{TARS, config, image, layer, put, read, tars, write};
    use crate::layout::LayoutSource;
    use crate::{Artifact, Compression, Damage, DiffId, Family, MediaType, Quiet, Source};

    fn here() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("new/layout");
        (folder, layout)
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    fn create(folder: &Path, name: Option<&str>) -> Result<LayoutSink, LayoutError> {
        LayoutSink::create(folder, name, &Leftovers::default())
    }

    fn named_image(layout: &Path, name: Option<&str>) -> Image {
        read(LayoutSource::open(layout, name).unwrap()).unwrap().0
    }

    #[test]
    fn nothing_is_there_before_the_commit_and_all_of_it_after() {
        let (folder, layout) = here();
        let sink = create(&layout, Some("v1")).unwrap();
        let image = image();
        let layers = put(&image, &sink).unwrap();
        assert_eq!(names_in(folder.path()), [""; 0]);
        let root = sink.commit(&Outgoing::built(Image { layers, ..image })).unwrap();
        assert_eq!(names_in(&layout), ["blobs", "index.json", "oci-layout"]);
        let again = named_image(&layout, Some("v1"));
        assert_eq!(again.manifest.as_ref().unwrap().descriptor(), root);
        assert_eq!(tars(&again), TARS);
        assert_eq!(names_in(&layout.join("blobs/sha256")).len(), 5);
    }

    #[test]
    fn damaged_layer_leaves_neither_file_nor_folder() {
        let (folder, layout) = here();
        let sink = create(&layout, None).unwrap();
        let mut image = image();
        image.layers[2] = layer(b"tar", Compression::Gzip, Some(DiffId(Digest::of(b"other"))));
        let Err(WriteError::Io(error)) = put(&image, &sink) else { panic!("it was taken") };
        assert!(error.into_inner().unwrap().is::<Damage>());
        let absent =
            sink.commit(&Outgoing::built(image.clone().with_manifest(Family::Oci).unwrap()));
        assert!(matches!(absent.unwrap_err().medium(), Some(LayoutError::BlobAbsent(_))));
        drop(sink);
        assert_eq!(names_in(folder.path()), [""; 0]);
    }

    #[test]
    fn commit_that_fails_half_way_takes_everything_back() {
        let (folder, layout) = here();
        let sink = create(&layout, None).unwrap();
        let image = image();
        let layers = put(&image, &sink).unwrap();
        // The last step must fail: a folder is where the index should be.
        fs::create_dir_all(layout.join("index.json")).unwrap();
        let error = sink.commit(&Outgoing::built(Image { layers, ..image })).unwrap_err();
        assert!(matches!(error.medium(), Some(LayoutError::Io { .. })), "{error:?}");
        assert_eq!(names_in(&layout), ["index.json"]);
        drop(folder);
    }

    #[test]
    fn names_are_replaced_and_other_images_stay() {
        let (_folder, layout) = here();
        let small = |tar: &[u8]| {
            let layer = layer(tar, Compression::Gzip, Some(DiffId(Digest::of(tar))));
            Image::new(config(&[tar]), vec![layer])
        };
        let store = |tar: &[u8], name| write(&small(tar), &create(&layout, name).unwrap()).unwrap();
        for (tar, name) in [
            (&b"1"[..], Some("one")),
            (b"2", Some("two")),
            (b"3", None),
            (b"4", Some("one")),
            (b"5", None),
        ] {
            store(tar, name);
        }
        assert_eq!(tars(&named_image(&layout, Some("one"))), [b"4"]);
        assert_eq!(tars(&named_image(&layout, Some("two"))), [b"2"]);
        let error = LayoutSource::open(&layout, None).err().unwrap();
        let nameless = write(&small(b"5"), &create(&layout, None).unwrap()).unwrap();
        let there = format!(r#""two", "one", {} (without a name)"#, nameless.digest.short());
        assert!(matches!(error, LayoutError::Several { there: found } if found == there));
        let error = LayoutSource::open(&layout, Some("six")).err().unwrap();
        assert!(matches!(error, LayoutError::NoImage { wanted, .. } if wanted == "six"));
    }

    #[test]
    fn blobs_that_are_there_are_present_and_damaged_ones_are_replaced() {
        let (_folder, layout) = here();
        let original = image();
        write(&original, &create(&layout, None).unwrap()).unwrap();
        let image = named_image(&layout, None);
        let sink = create(&layout, Some("again")).unwrap();
        assert_eq!(sink.present(&image).unwrap(), [true; 3]);
        let path = sink.folder.blob_path(image.layers[1].digest().unwrap());
        fs::write(&path, "cut").unwrap();
        assert_eq!(sink.present(&image).unwrap(), [true, false, true]);
        // The right length alone is not enough.
        let last = image.layers[2].descriptor().unwrap();
        let path = sink.folder.blob_path(last.digest);
        let right = fs::read(&path).unwrap();
        fs::write(&path, vec![7; right.len()]).unwrap();
        let other = create(&layout, Some("other")).unwrap();
        assert_eq!(other.present(&image).unwrap(), [true, false, false]);
        fs::write(&path, right).unwrap();
        sink.put(&original.layers[1], &Quiet).unwrap();
        sink.commit(&Outgoing::built(image.clone())).unwrap();
        assert_eq!(tars(&named_image(&layout, Some("again"))), TARS);
    }

    #[test]
    fn manifest_of_another_family_keeps_its_bytes() {
        let (_folder, layout) = here();
        let mut image = image();
        // A stored image keeps the manifest that it had in its registry.
        image.layers.remove(0);
        image.config = config(&TARS[1..]);
        let image = image.with_manifest(Family::Docker).unwrap();
        write(&image, &create(&layout, None).unwrap()).unwrap();
        let again = named_image(&layout, None);
        assert_eq!(again.manifest, image.manifest);
        assert_eq!(*again.manifest.unwrap().media_type(), MediaType::DOCKER_MANIFEST);
    }

    #[test]
    fn manifest_must_be_that_of_the_config() {
        let (_folder, layout) = here();
        let sink = create(&layout, None).unwrap();
        let image = image();
        let layers = put(&image, &sink).unwrap();
        let mut image = Image { layers, ..image }.with_manifest(Family::Oci).unwrap();
        image.config.push(b' ');
        let error = sink.commit(&Outgoing::built(image.clone())).unwrap_err();
        assert!(matches!(error.medium(), Some(LayoutError::Config(_))), "{error:?}");
        assert!(!layout.exists());
    }

    #[test]
    fn index_of_images_is_stored_with_its_children() {
        let (_folder, layout) = here();
        let sink = create(&layout, Some("all")).unwrap();
        let image = image();
        let layers = put(&image, &sink).unwrap();
        let child = Image { layers, ..image }.with_manifest(Family::Oci).unwrap();
        let descriptor = child.manifest.as_ref().unwrap().descriptor();
        let index = Index::new(vec![descriptor]).to_raw();
        assert!(matches!(
            sink.commit_index(&index).unwrap_err().medium(),
            Some(LayoutError::BlobAbsent(_))
        ));
        sink.put_child(&Outgoing::built(child)).unwrap();
        sink.commit_index(&index).unwrap();
        let source: Arc<dyn Source> = Arc::new(LayoutSource::open(&layout, None).unwrap());
        let artifact = Artifact::read(&source).unwrap();
        assert!(matches!(&artifact, Artifact::Index { raw, .. } if *raw == index));
        assert_eq!(tars(&artifact.into_image(&source, None).unwrap()), TARS);
    }

    #[test]
    fn folders_with_something_else_in_them_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(create(folder.path(), None).is_ok());
        let file = folder.path().join("letters");
        fs::write(&file, "mine").unwrap();
        let error = create(folder.path(), None).err().unwrap();
        assert!(matches!(error, LayoutError::NotALayout(path) if path == folder.path()));
        for path in [&file, &file.join("below")] {
            let error = create(path, None).err().unwrap();
            assert!(matches!(error, LayoutError::Io { .. }), "{error:?}");
        }
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
        let error = create(folder.path(), None).err().unwrap();
        assert!(matches!(error, LayoutError::Version));
        fs::write(folder.path().join("oci-layout"), MARKER).unwrap();
        fs::write(folder.path().join("index.json"), "{}").unwrap();
        let error = create(folder.path(), None).err().unwrap();
        assert!(matches!(error, LayoutError::Index(_)));
    }
}
