//! The folder of a layout. It opens files without following links, and checks blobs against their names.
//!
//! Links may lead to the folder itself, since the user named it. No folder below it may be a link: a stranger's
//! link would lead writing and reading to another place. A single blob may be one, as some build tools make
//! them: its name states its digest, and writing replaces it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};

use super::files::Files;
use super::{LayoutError, blob_name};
use crate::transfer::verify::VerifyReader;
use crate::{Content, Digest};

/// The folders that blobs lie in, from the layout's on.
const FOLDERS: [&str; 2] = ["blobs", "blobs/sha256"];

/// A layout's files in a folder.
#[derive(Clone)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// Checks that none of the folders below this one is a link, whether or not they are there.
    ///
    /// # Errors
    /// One is a link.
    pub(super) fn check_links(&self) -> Result<(), LayoutError> {
        let paths = FOLDERS.iter().map(|name| self.0.join(name));
        match paths.into_iter().find(|path| path.is_symlink()) {
            Some(path) => Err(LayoutError::Link(path)),
            None => Ok(()),
        }
    }

    /// Returns where a blob lies.
    pub(super) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.0.join(blob_name(digest))
    }

    /// Tells whether there is a file of the right length under a blob's name.
    pub(super) fn has_file_of(&self, digest: Digest, len: u64) -> bool {
        let found = self.blob_path(digest).symlink_metadata();
        found.is_ok_and(|found| found.is_file() && found.len() == len)
    }

    /// Reads a blob to its end, and tells whether it fits its name.
    pub(super) fn is_whole(&self, digest: Digest, len: u64) -> bool {
        let Ok(file) = self.open(&blob_name(digest)) else { return false };
        let mut reader = VerifyReader::new(file, format!("blob {digest}"), len, Some(digest));
        io::copy(&mut reader, &mut io::sink()).is_ok()
    }

    /// Opens a file, and refuses anything that is not regular: opening a pipe would wait for its writer.
    pub(super) fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder: OwnedFd = openat(CWD, &self.0, flags, Mode::empty())?;
        let (folders, file) = match name.rsplit_once('/') {
            Some((folders, file)) => (Some(folders), file),
            None => (None, name),
        };
        for next in folders.iter().flat_map(|folders| folders.split('/')) {
            let opened = openat(&folder, next, flags | OFlags::NOFOLLOW, Mode::empty());
            folder = opened.map_err(|error| refused(&folder, next, error.into()))?;
        }
        // The index and the marker have no digest in their names, so that no link may stand for them.
        let links = if folders.is_some() { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | links;
        let opened = openat(&folder, file, flags, Mode::empty());
        let opened = File::from(opened.map_err(|error| refused(&folder, file, error.into()))?);
        if !opened.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(opened)
    }
}

/// Returns an error that names the link, if a link could not be opened, and else `error`.
fn refused(folder: &OwnedFd, name: &str, error: io::Error) -> io::Error {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let is_link =
        found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink);
    if is_link {
        let text = format!("{name} is a symbolic link, and a layout has none");
        return io::Error::other(text);
    }
    error
}

impl Files for Folder {
    fn file(&self, name: &str) -> Arc<dyn Content> {
        Arc::new(InFolder { folder: self.clone(), name: name.to_owned() })
    }
}

struct InFolder {
    folder: Folder,
    name: String,
}

impl Content for InFolder {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let Self { folder: Folder(path), name } = self;
        let failed = |error: io::Error| {
            let path = Path::new(path).join(name);
            io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
        };
        Ok(Box::new(self.folder.open(name).map_err(failed)?))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::archive::fixtures::{image, write};
    use crate::layout::{LayoutSink, LayoutSource};
    use crate::{Leftovers, Source};

    fn layout(folder: &Path) -> PathBuf {
        let layout = folder.join("layout");
        let sink = LayoutSink::create(&layout, Some("v1"), &Leftovers::default()).unwrap();
        write(&image(), &sink).unwrap();
        layout
    }

    fn moved(layout: &Path, name: &str) {
        let elsewhere = layout.with_extension("elsewhere");
        fs::rename(layout.join(name), &elsewhere).unwrap();
        symlink(&elsewhere, layout.join(name)).unwrap();
    }

    #[test]
    fn link_within_a_layout_is_followed_neither_to_read_nor_to_write() {
        for name in FOLDERS {
            let folder = tempfile::tempdir().unwrap();
            let layout = layout(folder.path());
            let sink = LayoutSink::create(&layout, Some("v2"), &Leftovers::default()).unwrap();
            moved(&layout, name);
            let error = LayoutSource::open(&layout, None).unwrap().root().unwrap_err().to_string();
            assert!(error.contains("is a symbolic link"), "{error}");
            let error = write(&image(), &sink).unwrap_err().to_string();
            assert!(error.contains("is a symbolic link"), "{error}");
            let refused = LayoutSink::create(&layout, None, &Leftovers::default()).err();
            assert!(matches!(refused, Some(LayoutError::Link(path)) if path == layout.join(name)));
        }
    }

    #[test]
    fn link_in_the_place_of_a_file_is_not_read() {
        for name in ["index.json", "oci-layout"] {
            let folder = tempfile::tempdir().unwrap();
            let layout = layout(folder.path());
            moved(&layout, name);
            let error = LayoutSource::open(&layout, None).err().unwrap();
            let LayoutError::Io { source, .. } = error else { panic!("{error:?}") };
            assert!(source.to_string().contains("is a symbolic link"), "{source}");
        }
    }

    #[test]
    fn blob_that_is_a_link_is_read_and_held_to_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let root = LayoutSource::open(&layout, None).unwrap().root().unwrap();
        let name = blob_name(root.digest());
        moved(&layout, &name);
        assert_eq!(LayoutSource::open(&layout, None).unwrap().root().unwrap(), root);
        fs::write(layout.with_extension("elsewhere"), vec![b' '; root.bytes().len()]).unwrap();
        assert!(LayoutSource::open(&layout, None).unwrap().root().is_err());
    }

    #[test]
    fn layout_itself_may_be_reached_over_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let link = folder.path().join("link");
        symlink(&layout, &link).unwrap();
        LayoutSource::open(&link, None).unwrap().root().unwrap();
        let sink = LayoutSink::create(&link, Some("v2"), &Leftovers::default()).unwrap();
        write(&image(), &sink).unwrap();
        LayoutSource::open(&layout, Some("v2")).unwrap().root().unwrap();
    }
}
