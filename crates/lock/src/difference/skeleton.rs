//! The skeleton: the layer over the clear layers, whose links lead to the unlocked private files.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::tree::changes::WHITEOUT;
use crate::{Inode, InodeKind, Metadata, TreePath};

/// The folder of memory in which the init unlocks private files.
pub const UNLOCK_FOLDER: &str = "/dev/sealcrate";

/// The entries of a skeleton, each folder before its own entries.
#[derive(Clone, Debug, Default)]
pub struct Skeleton(pub Vec<SkeletonEntry>);

/// One entry of a skeleton.
#[derive(Clone, Debug)]
pub struct SkeletonEntry {
    /// The path of the entry in the image.
    pub path: TreePath,
    /// The kind of the entry.
    pub kind: SkeletonKind,
}

/// The kind of a skeleton's entry.
#[derive(Clone, Debug)]
pub enum SkeletonKind {
    /// A folder, which is new or gets other properties.
    Folder(Metadata),
    /// A link to the same path in the unlock folder.
    Link,
    /// A file or link of a private layer that everybody may see.
    Public(Arc<Inode>),
    /// A whiteout, which removes an entry of the clear layers.
    Whiteout,
}

impl SkeletonEntry {
    /// Appends the entry to a tar file. `content` opens the content of a public file.
    ///
    /// # Errors
    /// The content cannot be read; the tar file cannot be written.
    pub fn append<R: Read>(
        &self,
        tar: &mut tar::Builder<impl Write>,
        content: impl FnOnce(&Inode) -> io::Result<R>,
    ) -> io::Result<()> {
        match &self.kind {
            SkeletonKind::Folder(metadata) => {
                let path = [self.path.as_bytes(), b"/"].concat();
                let path = if self.path == TreePath::default() { b"./".to_vec() } else { path };
                append(tar, tar::EntryType::Directory, &path, metadata, &mut io::empty(), 0)
            }
            SkeletonKind::Link => {
                let target = [UNLOCK_FOLDER.as_bytes(), b"/", self.path.as_bytes()].concat();
                append_link(tar, self.path.as_bytes(), &target, &link_metadata())
            }
            SkeletonKind::Whiteout => {
                let folder = self.path.parent().unwrap_or_default();
                let path = folder.join(&[WHITEOUT, self.path.name()].concat());
                let metadata = link_metadata();
                append(
                    tar,
                    tar::EntryType::Regular,
                    path.as_bytes(),
                    &metadata,
                    &mut io::empty(),
                    0,
                )
            }
            SkeletonKind::Public(inode) => {
                let path = self.path.as_bytes();
                match &inode.kind {
                    InodeKind::Symlink(target) => append_link(tar, path, target, &inode.metadata),
                    InodeKind::File { len, .. } => {
                        let mut content = content(inode)?;
                        let kind = tar::EntryType::Regular;
                        append(tar, kind, path, &inode.metadata, &mut content, *len)
                    }
                    InodeKind::Fifo | InodeKind::Device => {
                        let kind = tar::EntryType::Fifo;
                        append(tar, kind, path, &inode.metadata, &mut io::empty(), 0)
                    }
                }
            }
        }
    }
}

/// Returns the properties of links and whiteouts, which tell nothing of the image.
fn link_metadata() -> Metadata {
    Metadata { mode: 0o777, ..Metadata::default() }
}

fn append_link(
    tar: &mut tar::Builder<impl Write>,
    path: &[u8],
    target: &[u8],
    metadata: &Metadata,
) -> io::Result<()> {
    let mut records = records(metadata);
    records.push(("linkpath".to_owned(), target.to_vec()));
    append_entry(tar, tar::EntryType::Symlink, path, metadata, records, &mut io::empty(), 0)
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    kind: tar::EntryType,
    path: &[u8],
    metadata: &Metadata,
    content: &mut dyn Read,
    len: u64,
) -> io::Result<()> {
    append_entry(tar, kind, path, metadata, records(metadata), content, len)
}

/// Returns PAX records for the properties that no field of a header holds.
fn records(metadata: &Metadata) -> Vec<(String, Vec<u8>)> {
    let mut records = Vec::new();
    let modified = metadata.modified;
    if modified.nanoseconds > 0 || modified.seconds < 0 {
        records.push(("mtime".to_owned(), modified.to_string().into_bytes()));
    }
    for (name, value) in &metadata.xattrs {
        let name = String::from_utf8_lossy(name);
        records.push((format!("SCHILY.xattr.{name}"), value.clone()));
    }
    records
}

/// Appends an entry whose path is a PAX record, which takes every length and every byte.
fn append_entry(
    tar: &mut tar::Builder<impl Write>,
    kind: tar::EntryType,
    path: &[u8],
    metadata: &Metadata,
    mut records: Vec<(String, Vec<u8>)>,
    content: &mut dyn Read,
    len: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode);
    header.set_uid(u64::from(metadata.uid));
    header.set_gid(u64::from(metadata.gid));
    header.set_mtime(u64::try_from(metadata.modified.seconds).unwrap_or(0));
    header.set_size(len);
    let name = &mut header.as_old_mut().name;
    if path.len() < name.len() {
        name[..path.len()].copy_from_slice(path);
    } else {
        records.push(("path".to_owned(), path.to_vec()));
    }
    if let Some(at) = records.iter().position(|(key, value)| key == "linkpath" && value.len() < 100)
    {
        let (_, target) = records.remove(at);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(&target);
    }
    header.set_cksum();
    if !records.is_empty() {
        let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        tar.append_pax_extensions(records)?;
    }
    tar.append(&header, content)
}
