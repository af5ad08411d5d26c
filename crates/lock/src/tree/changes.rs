//! Layers as changes: the entries of a layer's tar file, one by one.
//!
//! OCI image specification, "Image Layer Filesystem Changeset". The changes hold no contents, only their
//! places in the tar file.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::archive::HeaderBounds;
use tar::EntryType;
use thiserror::Error;

use crate::tree::holes::Holes;
use crate::{Inode, InodeKind, Metadata, PathError, Time, TreePath};

/// The most entries that a layer may have.
const MAX_ENTRIES: usize = 1 << 20;

/// The most bytes of the headers of one entry, attributes and long names included.
pub(crate) const MAX_HEADERS: u64 = 1 << 20;

/// The most bytes of extended attributes of one file.
const MAX_XATTRS: usize = 64 << 10;

/// The beginning of a whiteout's name.
pub(crate) const WHITEOUT: &[u8] = b".wh.";

/// The beginning of names that are reserved for whiteouts.
const WHITEOUT_META: &[u8] = b".wh..wh.";

/// The name that makes a folder opaque.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The beginning of the names of PAX records for extended attributes.
const XATTR: &str = "SCHILY.xattr.";

/// One thing that a layer does.
#[derive(Clone, Debug)]
pub enum Change {
    /// Makes a folder, or gives one other properties.
    Folder(TreePath, Metadata),
    /// Gives a file of the layer or of one below another name.
    HardLink(TreePath, TreePath),
    /// Empties a folder of the layers below.
    Opaque(TreePath),
    /// Puts something that is no folder.
    Put(TreePath, Arc<Inode>),
    /// Removes an entry of the layers below.
    Whiteout(TreePath),
}

/// All that a layer does, in its order.
#[derive(Clone, Debug, Default)]
pub struct Changes(pub Vec<Change>);

impl Changes {
    /// Reads the plain tar file of the layer at `place`, lowest first from 0, to its end.
    ///
    /// # Errors
    /// The layer cannot be read; it is no tar file; no file system can take its entries.
    pub fn read(place: usize, tar: impl Read) -> Result<Self, LayerError> {
        Self::read_with_holes(place, tar).map(|(changes, _)| changes)
    }

    /// Reads the same file, and looks for holes in the contents.
    pub(crate) fn read_with_holes(
        place: usize,
        tar: impl Read,
    ) -> Result<(Self, Holes), LayerError> {
        let mut holes = Holes::default();
        let bounds = HeaderBounds::new(MAX_HEADERS);
        let mut archive = tar::Archive::new(bounds.reader(tar));
        let mut changes = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            bounds.begin(&entry);
            if changes.len() == MAX_ENTRIES {
                return Err(LayerError::TooManyEntries);
            }
            if let Some(change) = change(place, changes.len(), &mut entry)? {
                if let Change::Put(_, inode) = &change
                    && let InodeKind::File { offset, .. } = inode.kind
                {
                    holes.look(place, offset, &mut entry)?;
                }
                changes.push(change);
            }
        }
        // The layer's reader checks the bytes at their end, which is behind the archive's end.
        io::copy(&mut archive.into_inner().into_inner(), &mut io::sink())?;
        Ok((Self(changes), holes))
    }
}

fn change(
    place: usize,
    number: usize,
    entry: &mut tar::Entry<'_, impl Read>,
) -> Result<Option<Change>, LayerError> {
    let path = TreePath::parse(&entry.path_bytes())?;
    let name = path.name();
    if name == OPAQUE {
        return Ok(Some(Change::Opaque(path.parent().unwrap_or_default())));
    }
    if name.starts_with(WHITEOUT_META) {
        return Ok(None);
    }
    if let Some(name) = name.strip_prefix(WHITEOUT) {
        let folder = path.parent().unwrap_or_default();
        let removed = TreePath::parse(&[folder.as_bytes(), b"/", name].concat())?;
        if name.is_empty() || removed == folder {
            return Err(LayerError::Whiteout(path));
        }
        return Ok(Some(Change::Whiteout(removed)));
    }
    let target = entry.link_name_bytes().map(|target| target.into_owned());
    let kind = match entry.header().entry_type() {
        EntryType::Directory => {
            return Ok(Some(Change::Folder(path, metadata(entry)?)));
        }
        EntryType::Link => {
            let target = target.ok_or_else(|| LayerError::NoTarget(path.clone()))?;
            return Ok(Some(Change::HardLink(path, TreePath::parse(&target)?)));
        }
        EntryType::Regular | EntryType::Continuous => {
            InodeKind::File { offset: entry.raw_file_position(), len: entry.size() }
        }
        EntryType::Symlink => match target {
            Some(target) if !target.is_empty() && !target.contains(&0) => {
                InodeKind::Symlink(target)
            }
            _ => return Err(LayerError::NoTarget(path)),
        },
        EntryType::Fifo => InodeKind::Fifo,
        EntryType::Block | EntryType::Char => InodeKind::Device,
        EntryType::XGlobalHeader => return Ok(None),
        other => return Err(LayerError::Kind(path, other.as_byte())),
    };
    if path == TreePath::default() {
        return Err(LayerError::Root);
    }
    let metadata = metadata(entry)?;
    Ok(Some(Change::Put(path, Arc::new(Inode { id: (place, number), metadata, kind }))))
}

fn metadata(entry: &mut tar::Entry<'_, impl Read>) -> Result<Metadata, LayerError> {
    let mut xattrs = BTreeMap::new();
    let mut modified = None;
    if let Some(records) = entry.pax_extensions()? {
        for record in records {
            let record = record?;
            let Ok(key) = record.key() else { continue };
            if let Some(name) = key.strip_prefix(XATTR) {
                xattrs.insert(name.as_bytes().to_vec(), record.value_bytes().to_vec());
            } else if key == "mtime" {
                modified = record.value().ok().and_then(Time::parse);
            }
        }
    }
    if xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_XATTRS {
        return Err(LayerError::Attributes(TreePath::parse(&entry.path_bytes())?));
    }
    let header = entry.header();
    let fields = header.as_old();
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let uid = number(unless_blank(&fields.uid, || header.uid())?);
    let gid = number(unless_blank(&fields.gid, || header.gid())?);
    let mode = unless_blank(&fields.mode, || header.mode().map(u64::from))?;
    let modified = match modified {
        Some(modified) => modified,
        None => {
            let seconds = unless_blank(&fields.mtime, || header.mtime())?;
            Time { seconds: seconds as i64, nanoseconds: 0 }
        }
    };
    Ok(Metadata { mode: number(mode) & 0o7777, uid, gid, modified, xattrs })
}

/// Reads a number. Engines take a blank field for zero.
fn unless_blank(field: &[u8], read: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) { Ok(0) } else { read() }
}

/// Why a layer cannot be understood.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// It has more attributes than file systems take.
    #[error("{0} has more than 64 KiB of extended attributes")]
    Attributes(TreePath),
    /// It cannot be read, or is no tar file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is of a kind that images do not have, or that cannot be found again in the tar file.
    #[error("{0} is of a kind that cannot be locked ({1:#04x} in the tar file)")]
    Kind(TreePath, u8),
    /// A link leads nowhere.
    #[error("the link {0} has no target")]
    NoTarget(TreePath),
    /// A path leads elsewhere, or is too long.
    #[error("{0}")]
    Path(#[from] PathError),
    /// The root is something other than a folder.
    #[error("a layer makes something of the root that is no folder")]
    Root,
    /// There are too many.
    #[error("a layer has more than {MAX_ENTRIES} entries")]
    TooManyEntries,
    /// It names no entry to remove.
    #[error("the whiteout {0} is malformed")]
    Whiteout(TreePath),
}

impl Classified for LayerError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Attributes(_)
            | Self::Kind(..)
            | Self::NoTarget(_)
            | Self::Root
            | Self::TooManyEntries
            | Self::Whiteout(_) => Some(ErrorClass::Failure),
            Self::Io(_) | Self::Path(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_without_end_are_not_kept_in_memory() {
        let mut tar = tar::Builder::new(Vec::new());
        let value = vec![b'x'; 2 << 20];
        tar.append_pax_extensions([("SCHILY.xattr.user.a", &value[..])]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        tar.append_data(&mut header, "file", &b""[..]).unwrap();
        let error = Changes::read(0, &tar.into_inner().unwrap()[..]).unwrap_err();
        assert_eq!(error.to_string(), "the headers of an entry are too long");
    }

    #[test]
    fn contents_may_be_long() {
        let mut tar = tar::Builder::new(Vec::new());
        let content = vec![0; 3 << 20];
        for name in ["one", "two"] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, &content[..]).unwrap();
        }
        assert_eq!(Changes::read(0, &tar.into_inner().unwrap()[..]).unwrap().0.len(), 2);
    }
}
