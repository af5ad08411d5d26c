//! The skeleton: what is laid over the clear layers, so that private files are found where they are
//! unlocked.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::layer::WHITEOUT;
use crate::{Inode, InodeKind, Metadata, TreePath};

/// Where private files are unlocked: in a folder that is memory.
pub const UNLOCK_FOLDER: &str = "/dev/sealcrate";

/// The entries of a skeleton, folders before what lies in them.
#[derive(Clone, Debug, Default)]
pub struct Skeleton(pub Vec<SkeletonEntry>);

/// One thing that a skeleton does.
#[derive(Clone, Debug)]
pub struct SkeletonEntry {
    /// Where.
    pub path: TreePath,
    /// What.
    pub kind: SkeletonKind,
}

/// What a skeleton does at a path.
#[derive(Clone, Debug)]
pub enum SkeletonKind {
    /// It makes a folder, or gives one other properties.
    Folder(Metadata),
    /// It makes a link to where the same path is unlocked.
    Link,
    /// It has something of a private layer that everybody may see.
    Public(Arc<Inode>),
    /// It removes what the clear layers have.
    Whiteout,
}

impl SkeletonEntry {
    /// Appends the entry to a tar file. `content` opens what a public file holds.
    ///
    /// # Errors
    /// Those of `content` and of the tar file.
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

/// What links and whiteouts have: nothing that tells of the image.
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

/// Returns the PAX records of what no field of a header holds.
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
