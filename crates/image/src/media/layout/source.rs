//! Reading layouts, wherever their files lie.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::LayoutError;
use super::entry::{MAX_MARKER_BYTES, blob_name, check_marker, chosen, parse_index};
use super::files::{Files, read_whole};
use super::folder::Folder;
use crate::transfer::verify::VerifyReader;
use crate::{
    Content, Descriptor, MAX_MANIFEST_BYTES, ManifestError, RawManifest, ReadError, Source,
};

/// An image, or index of images, in a folder.
pub struct LayoutSource(Layout<Folder>);

impl LayoutSource {
    /// Opens the image `name` of the layout in `folder`, or its only image where `name` is `None`.
    ///
    /// # Errors
    /// No layout of a known version; no such image, or several.
    pub fn open(folder: &Path, name: Option<&str>) -> Result<Self, LayoutError> {
        Layout::open(Folder(folder.to_owned()), name).map(Self)
    }
}

impl Source for LayoutSource {
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

/// One image, or index of images, of a layout.
pub(crate) struct Layout<F> {
    files: F,
    root: Descriptor,
}

impl<F: Files> Layout<F> {
    /// As [`LayoutSource::open`].
    pub(crate) fn open(files: F, name: Option<&str>) -> Result<Self, LayoutError> {
        check_marker(&read_whole(&files, "oci-layout", MAX_MARKER_BYTES)?)?;
        let index = parse_index(read_whole(&files, "index.json", MAX_MANIFEST_BYTES)?)?;
        let root = chosen(&index, name)?.clone();
        Ok(Self { files, root })
    }
}

impl<F: Files> Source for Layout<F> {
    fn root(&self) -> Result<RawManifest, ReadError> {
        self.manifest(&self.root)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ReadError> {
        if descriptor.size > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge.into());
        }
        let what = format!("manifest {}", descriptor.digest);
        let reader = self.blob(descriptor).open()?;
        let mut bytes = Vec::new();
        VerifyReader::new(reader, what, descriptor.size, Some(descriptor.digest))
            .read_to_end(&mut bytes)?;
        Ok(RawManifest::recognise(Some(descriptor.media_type.as_str()), bytes)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        self.files.file(&blob_name(descriptor.digest))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{fs, io};

    use proptest::prelude::*;
    use sealcrate_test_kit::Tar;

    use super::*;
    use crate::archive::fixtures::{image, read, write};
    use crate::archive::{ArchiveError, OciArchiveSource};
    use crate::layout::{LayoutSink, MARKER};
    use crate::{Damage, Digest, Index, Leftovers, MediaType};

    fn layout() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("layout");
        write(&image(), &LayoutSink::create(&layout, Some("v1"), &Leftovers::default()).unwrap())
            .unwrap();
        (folder, layout)
    }

    fn open(layout: &Path) -> Result<LayoutSource, LayoutError> {
        LayoutSource::open(layout, None)
    }

    fn damage(result: Result<RawManifest, ReadError>) -> Damage {
        let Err(ReadError::Io(error)) = result else { panic!("{result:?}") };
        error.into_inner().unwrap().downcast_ref::<Damage>().unwrap().clone()
    }

    #[test]
    fn folder_must_be_a_layout_of_a_known_version() {
        let (_folder, layout) = layout();
        for marker in ["", "{}", r#"{"imageLayoutVersion":"2.0.0"}"#] {
            fs::write(layout.join("oci-layout"), marker).unwrap();
            assert!(matches!(open(&layout), Err(LayoutError::Version)), "{marker}");
        }
        fs::remove_file(layout.join("oci-layout")).unwrap();
        assert!(
            matches!(open(&layout), Err(LayoutError::Io { path, .. }) if path == Path::new("oci-layout"))
        );
    }

    #[test]
    fn list_of_images_is_bounded() {
        let (_folder, layout) = layout();
        let index = layout.join("index.json");
        fs::write(&index, vec![b' '; MAX_MANIFEST_BYTES as usize + 1]).unwrap();
        assert!(matches!(open(&layout), Err(LayoutError::TooLarge("index.json"))));
        let entry = Descriptor::of(MediaType::OCI_MANIFEST, b"");
        fs::write(&index, Index::new(vec![entry; 1001]).to_raw().bytes()).unwrap();
        let error = open(&layout).err();
        assert!(matches!(error, Some(LayoutError::Index(ManifestError::TooManyChildren(1001)))));
        fs::write(&index, Index::new(Vec::new()).to_raw().bytes()).unwrap();
        let error = open(&layout).err();
        assert!(matches!(error, Some(LayoutError::NoImage { there, .. }) if there == "none"));
    }

    #[test]
    fn manifest_must_be_what_its_descriptor_says() {
        let (_folder, layout) = layout();
        let source = open(&layout).unwrap();
        let root = source.root().unwrap();
        let path = layout.join(blob_name(root.digest()));
        let mut bytes = root.bytes().to_vec();
        bytes.push(b' ');
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(damage(source.root()), Damage::TooLong { .. }));
        bytes.pop();
        bytes[20] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(damage(source.root()), Damage::Digest { .. }));
        let mut huge = root.descriptor();
        huge.size = MAX_MANIFEST_BYTES + 1;
        let refused = source.manifest(&huge);
        assert!(matches!(refused, Err(ReadError::Manifest(ManifestError::TooLarge))));
    }

    #[test]
    fn blobs_must_be_files() {
        let (_folder, layout) = layout();
        let source = open(&layout).unwrap();
        let root = source.root().unwrap().descriptor();
        let path = layout.join(blob_name(root.digest));
        fs::remove_file(&path).unwrap();
        let error = source.blob(&root).open().err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let mode = rustix::fs::Mode::RUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        let error = source.blob(&root).open().err().unwrap().to_string();
        assert!(error.ends_with("not a regular file"), "{error}");
    }

    fn in_tar(change: impl FnOnce(Tar) -> Tar) -> Result<OciArchiveSource, ArchiveError> {
        let file = tempfile::tempfile().unwrap();
        let tar = change(Tar::new().file("oci-layout", MARKER));
        io::Write::write_all(&mut &file, &tar.bytes()).unwrap();
        OciArchiveSource::open(Arc::new(file), None)
    }

    #[test]
    fn layout_in_a_tar_is_checked_like_one_in_a_folder() {
        let manifest = Descriptor::of(MediaType::OCI_MANIFEST, b"expected");
        let name = blob_name(manifest.digest);
        let index = Index::new(vec![manifest]).to_raw().bytes().to_vec();
        let lies = in_tar(|tar| tar.file("index.json", &index).file(&name, b"returned")).unwrap();
        assert!(matches!(damage(lies.root()), Damage::Digest { .. }));
        let out = in_tar(|tar| tar.file("index.json", &index).link(&name, "/etc/passwd")).unwrap();
        assert!(
            matches!(out.root(), Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound)
        );
        let huge = vec![b' '; MAX_MANIFEST_BYTES as usize + 1];
        let error = in_tar(|tar| tar.file("index.json", &huge)).err();
        assert!(matches!(error, Some(ArchiveError::Layout(LayoutError::TooLarge(_)))));
        let error = in_tar(|tar| tar).err();
        assert!(matches!(error, Some(ArchiveError::Layout(LayoutError::Io { .. }))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn flipped_byte_of_any_file_is_noticed_or_changes_nothing(file in 0_usize..7, place: usize) {
            let (_folder, layout) = layout();
            let (before, _) = read(open(&layout).unwrap()).unwrap();
            let mut files: Vec<PathBuf> = fs::read_dir(layout.join("blobs/sha256"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            files.push(layout.join("index.json"));
            files.push(layout.join("oci-layout"));
            let mut bytes = fs::read(&files[file]).unwrap();
            let place = place % bytes.len();
            bytes[place] ^= 1;
            fs::write(&files[file], &bytes).unwrap();
            let after = open(&layout).map_err(ReadError::from).and_then(read);
            let is_blob = file < 5;
            prop_assert!(!is_blob || after.is_err());
            if let Ok((after, _)) = after {
                prop_assert_eq!(Digest::of(&after.config), before.id());
            }
        }
    }
}
