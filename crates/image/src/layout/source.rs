//! Reading layouts, wherever their files lie.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LayoutError;
use super::entry::{MAX_MARKER_BYTES, blob_name, check_marker, chosen, parse_index};
use crate::verify::VerifyReader;
use crate::{
    Content, Descriptor, MAX_MANIFEST_BYTES, ManifestError, RawManifest, ReadError, Source,
};

/// An image, or index of images, in a folder.
pub struct LayoutSource(Layout<Folder>);

impl LayoutSource {
    /// Opens the image `name` of the layout in `folder`, or without a name the only one.
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

/// The files of a layout.
pub(crate) trait Files: Send + Sync {
    /// Returns the file `name`, which is not looked for before it is opened.
    fn file(&self, name: &str) -> Arc<dyn Content>;
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

/// Reads a small file whole.
///
/// # Errors
/// No such file; more than `max` bytes.
pub(super) fn read_whole(
    files: &dyn Files,
    name: &'static str,
    max: u64,
) -> Result<Vec<u8>, LayoutError> {
    let mut bytes = Vec::new();
    files
        .file(name)
        .open()
        .and_then(|file| file.take(max + 1).read_to_end(&mut bytes))
        .map_err(|source| LayoutError::Io { path: name.into(), source })?;
    if bytes.len() as u64 > max {
        return Err(LayoutError::TooLarge(name));
    }
    Ok(bytes)
}

/// A layout's files in a folder.
pub(super) struct Folder(pub(super) PathBuf);

impl Files for Folder {
    fn file(&self, name: &str) -> Arc<dyn Content> {
        Arc::new(InFolder(self.0.join(name)))
    }
}

struct InFolder(PathBuf);

impl Content for InFolder {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let Self(path) = self;
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
        };
        Ok(Box::new(open_regular(path).map_err(failed)?))
    }
}

/// Opens a file that is one: a pipe would be waited for.
fn open_regular(path: &Path) -> io::Result<File> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}
