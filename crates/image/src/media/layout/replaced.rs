//! Blobs that an image leaves in a layout when another one takes its name, and that nothing names any more.
//!
//! They are removed, since an image in clear, or keys of former readers, may lie there. A blob goes only if
//! the replaced image named it and no manifest that the layout still lists does. All of those must have
//! been read. Other files in the folder are not ours to judge.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use super::blob_name;
use super::folder::Folder;
use crate::transfer::verify::VerifyReader;
use crate::{Descriptor, Digest, Index, MAX_MANIFEST_BYTES, Manifest, ManifestError, RawManifest};

/// The most manifests and indexes that a sink reads to find the blobs that a layout names.
const MAX_READ: usize = 10_000;

/// Tells that blobs stay that nothing may name any more.
#[derive(Debug)]
pub struct Unremoved {
    folder: PathBuf,
    why: String,
}

impl fmt::Display for Unremoved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, why } = self;
        write!(out, "blobs of the replaced image stay in {}: {why}", folder.display())
    }
}

/// Removes the blobs of the images in `replaced` that nothing in `index` reaches. `index` is the layout's
/// list now.
///
/// # Errors
/// A listed manifest cannot be read, or a blob cannot be removed.
pub(super) fn remove(
    folder: &Folder,
    replaced: &[Descriptor],
    index: &Index,
) -> Result<(), Unremoved> {
    let unremoved = |why| Unremoved { folder: folder.0.clone(), why };
    let mut old = Reached::new(folder, OnUnreadable::PassOver);
    old.follow(replaced).map_err(unremoved)?;
    let mut left = old.blobs;
    left.retain(|digest| folder.blob_path(*digest).symlink_metadata().is_ok());
    let mut named = Reached::new(folder, OnUnreadable::Fail);
    // The new entry is surely readable, and mostly there is no other.
    for entry in index.manifests.iter().rev() {
        if left.is_empty() {
            return Ok(());
        }
        named.follow(std::slice::from_ref(entry)).map_err(unremoved)?;
        left.retain(|digest| !named.blobs.contains(digest));
    }
    for digest in left {
        match fs::remove_file(folder.blob_path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unremoved(format!("{} cannot be removed: {error}", digest.short())));
            }
            _ => {}
        }
    }
    Ok(())
}

/// How to go on after a manifest that cannot be read and may name blobs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnUnreadable {
    Fail,
    PassOver,
}

/// The blobs that descriptors reach.
struct Reached<'f> {
    folder: &'f Folder,
    on_unreadable: OnUnreadable,
    blobs: HashSet<Digest>,
    read: HashSet<Digest>,
}

impl<'f> Reached<'f> {
    fn new(folder: &'f Folder, on_unreadable: OnUnreadable) -> Self {
        Self { folder, on_unreadable, blobs: HashSet::new(), read: HashSet::new() }
    }

    /// Adds all that `roots` reach.
    fn follow(&mut self, roots: &[Descriptor]) -> Result<(), String> {
        let mut waiting: Vec<Descriptor> = roots.to_vec();
        while let Some(descriptor) = waiting.pop() {
            self.blobs.insert(descriptor.digest);
            if descriptor.media_type.compression().is_some() || !self.read.insert(descriptor.digest)
            {
                continue;
            }
            if self.read.len() > MAX_READ {
                return Err(format!("the layout lists more than {MAX_READ} manifests"));
            }
            match self.named_by(&descriptor) {
                Ok(further) => waiting.extend(further),
                Err(_) if self.on_unreadable == OnUnreadable::PassOver => {}
                Err(why) => {
                    let name = descriptor.digest.short();
                    return Err(format!("it cannot be known what {name} names: {why}"));
                }
            }
        }
        Ok(())
    }

    /// Notes the blobs that a manifest names, and returns the manifests that it names.
    fn named_by(&mut self, descriptor: &Descriptor) -> Result<Vec<Descriptor>, String> {
        let raw = self.manifest(descriptor).map_err(|error| error.to_string())?;
        let failed = |error: ManifestError| error.to_string();
        let (mut further, remarks) = if raw.media_type().is_index() {
            let index = Index::parse(&raw).map_err(failed)?;
            (index.manifests, index.remarks)
        } else {
            let manifest = Manifest::parse(&raw).map_err(failed)?;
            self.blobs.insert(manifest.config.digest);
            self.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
            (Vec::new(), manifest.remarks)
        };
        // A manifest keeps its subject, but does not bring it along.
        if self.on_unreadable == OnUnreadable::Fail
            && let Some(subject) = remarks.subject
            && self.folder.blob_path(subject.digest).exists()
        {
            further.push(subject);
        }
        Ok(further)
    }

    fn manifest(&self, descriptor: &Descriptor) -> io::Result<RawManifest> {
        if descriptor.size > MAX_MANIFEST_BYTES {
            return Err(io::Error::other(ManifestError::TooLarge));
        }
        let (digest, size) = (descriptor.digest, descriptor.size);
        let file = self.folder.open(&blob_name(digest))?;
        let mut bytes = Vec::new();
        VerifyReader::new(file, format!("manifest {digest}"), size, Some(digest))
            .read_to_end(&mut bytes)?;
        let served = descriptor.media_type.as_str();
        RawManifest::recognise(Some(served), bytes).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::archive::fixtures::{config, image, layer, write};
    use crate::layout::{LayoutSink, with_entry};
    use crate::{Compression, Family, Image, Leftovers, MediaType, Outgoing, Sink};

    /// A layout, and the reports of its sinks.
    struct Scene {
        _folder: tempfile::TempDir,
        layout: PathBuf,
        said: Arc<Mutex<Vec<String>>>,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let layout = folder.path().join("layout");
            Self { _folder: folder, layout, said: Arc::default() }
        }

        fn sink(&self, name: &str) -> LayoutSink {
            let said = self.said.clone();
            let tell =
                move |unremoved: &Unremoved| said.lock().unwrap().push(unremoved.to_string());
            let sink = LayoutSink::create(&self.layout, Some(name), &Leftovers::default()).unwrap();
            sink.telling(tell)
        }

        fn write(&self, name: &str, image: &Image) -> Descriptor {
            write(image, &self.sink(name)).unwrap()
        }

        /// Adds an entry to `index.json` as another tool would.
        fn add_entry(&self, entry: Descriptor) {
            let path = self.layout.join("index.json");
            let raw = RawManifest::recognise(None, fs::read(&path).unwrap()).unwrap();
            let index = with_entry(Index::parse(&raw).unwrap(), entry);
            fs::write(path, index.to_raw().bytes()).unwrap();
        }

        fn add_blob(&self, bytes: &[u8]) -> Digest {
            let digest = Digest::of(bytes);
            fs::write(self.layout.join(blob_name(digest)), bytes).unwrap();
            digest
        }

        fn blobs(&self) -> BTreeSet<String> {
            let entries = fs::read_dir(self.layout.join("blobs/sha256")).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }

        fn has(&self, digest: Digest) -> bool {
            self.blobs().contains(&digest.hex())
        }

        fn said(&self) -> Vec<String> {
            self.said.lock().unwrap().clone()
        }
    }

    fn other_image() -> Image {
        let tars: [&[u8]; 1] = [b"another tar"];
        let layers = vec![layer(tars[0], Compression::Gzip, None)];
        Image::new(config(&tars), layers)
    }

    #[test]
    fn blobs_of_a_replaced_image_are_gone_and_all_others_stay() {
        let scene = Scene::new();
        scene.write("1", &image());
        let first = scene.blobs();
        let foreign = scene.add_blob(b"whose is it?");
        scene.write("1", &other_image());
        assert!(scene.has(foreign));
        let left = scene.blobs();
        assert!(first.intersection(&left).next().is_none(), "{left:?}");
        assert_eq!(left.len(), 3 + 1);
        assert_eq!(scene.said(), [""; 0]);
    }

    #[test]
    fn blobs_that_another_name_reaches_stay_even_through_indexes() {
        let scene = Scene::new();
        let inner = scene.write("1", &image());
        let first = scene.blobs();
        let index = Index::new(vec![inner]).to_raw();
        scene.add_blob(index.bytes());
        let outer = Index::new(vec![index.descriptor()]).to_raw();
        scene.add_blob(outer.bytes());
        let mut entry = outer.descriptor();
        entry.annotations.insert("org.opencontainers.image.ref.name".into(), "all".into());
        scene.add_entry(entry);
        scene.write("1", &other_image());
        assert!(first.is_subset(&scene.blobs()));
        // When an index goes, all blobs go that it alone reaches.
        scene.write("all", &other_image());
        assert!(first.is_disjoint(&scene.blobs()) && !scene.has(index.digest()));
        assert_eq!(scene.said(), [""; 0]);
    }

    #[test]
    fn what_a_listed_manifest_is_about_stays() {
        let scene = Scene::new();
        let about = scene.write("1", &image());
        let first = scene.blobs();
        let config = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
        scene.add_blob(b"{}");
        let mut signature = Manifest::new(Family::Oci, config, Vec::new());
        signature.remarks.subject = Some(about);
        let raw = signature.to_raw();
        scene.add_blob(raw.bytes());
        scene.add_entry(raw.descriptor());
        scene.write("1", &other_image());
        assert!(first.is_subset(&scene.blobs()));
    }

    #[test]
    fn nothing_is_removed_where_something_listed_cannot_be_read() {
        let unknown = |scene: &Scene| {
            scene.add_blob(b"who knows");
            Descriptor::of(MediaType::from("application/x-unknown".to_owned()), b"who knows")
        };
        let absent = |_: &Scene| Descriptor::of(MediaType::OCI_MANIFEST, b"absent");
        let entries: [&dyn Fn(&Scene) -> Descriptor; 2] = [&unknown, &absent];
        for entry in entries {
            let scene = Scene::new();
            scene.write("1", &image());
            let first = scene.blobs();
            scene.add_entry(entry(&scene));
            scene.write("1", &other_image());
            assert!(first.is_subset(&scene.blobs()));
            let said = scene.said();
            assert!(said.len() == 1 && said[0].contains("cannot be known"), "{said:?}");
            let layout: &Path = &scene.layout;
            assert!(said[0].contains(&layout.display().to_string()), "{said:?}");
        }
    }

    #[test]
    fn image_that_is_written_again_loses_nothing() {
        let scene = Scene::new();
        scene.write("1", &image());
        let first = scene.blobs();
        scene.write("1", &image());
        assert_eq!(scene.blobs(), first);
    }

    #[test]
    fn other_writer_notices_that_a_blob_went_that_was_there() {
        let scene = Scene::new();
        scene.write("1", &image());
        let stored = {
            let sink = scene.sink("2");
            let image = image();
            let layers = crate::archive::fixtures::put(&image, &sink).unwrap();
            Image { layers, ..image }
        };
        let late = scene.sink("2");
        assert_eq!(late.present(&stored).unwrap(), [true; 3]);
        scene.write("1", &other_image());
        let error = late.commit(&Outgoing::built(stored)).unwrap_err().to_string();
        assert!(error.contains("is not in the layout"), "{error}");
    }
}
