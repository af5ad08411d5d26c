//! The top layer of a locked image: the init, the index, and the skeleton.

use std::io;
use std::sync::Arc;

use sealcrate_image::{DiffId, Image, Layer, MediaType, Spool};
use sealcrate_pack::Stub;

use crate::payload::{self, FOLDER};
use crate::tree::contents::Contents;
use crate::{InodeKind, Skeleton, SkeletonEntry, SkeletonKind};

/// Makes the layer. `segment` is the file of the index.
///
/// # Errors
/// The image cannot be read; the spool cannot be written.
pub(super) fn skeleton_layer(
    image: &Image,
    skeleton: &Skeleton,
    init: &Stub,
    segment: &[u8],
    spool: &Spool,
) -> io::Result<Layer> {
    let spooled = spool.fill(|out| {
        let mut tar = tar::Builder::new(out);
        payload::append(&mut tar, ".sealcrate/", 0o755, b"")?;
        payload::append(&mut tar, ".sealcrate/init", 0o755, init.bytes)?;
        payload::append(&mut tar, FOLDER, 0o755, b"")?;
        payload::append(&mut tar, &format!("{FOLDER}index"), 0o444, segment)?;
        let mut contents = Contents::of(image);
        for entry in in_order_of_contents(&skeleton.0) {
            entry.append(&mut tar, |inode| contents.open(inode))?;
        }
        tar.finish()
    })?;
    let diff_id = DiffId(spooled.digest);
    let content = Arc::new(spooled.content);
    Ok(Layer::decrypted(MediaType::DOCKER_LAYER, spooled.len, diff_id, content))
}

/// Puts files behind all else, in the order in which their contents are read best.
fn in_order_of_contents(entries: &[SkeletonEntry]) -> Vec<&SkeletonEntry> {
    let mut ordered: Vec<&SkeletonEntry> = entries.iter().collect();
    // Stable: a folder stays before its own entries.
    ordered.sort_by_key(|entry| match &entry.kind {
        SkeletonKind::Public(inode) => match inode.kind {
            InodeKind::File { offset, .. } => Some((inode.id.0, offset)),
            _ => None,
        },
        _ => None,
    });
    ordered
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sealcrate_image::{Content, Digest};

    use super::*;
    use crate::{Inode, Metadata, TreePath};

    /// A layer that counts how often it is opened.
    struct Counted(Vec<u8>, Arc<AtomicUsize>);

    impl Content for Counted {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.open()
        }
    }

    #[test]
    fn contents_of_a_layer_are_read_in_one_pass() {
        let bytes: Vec<u8> = (0..100).collect();
        let opened = Arc::new(AtomicUsize::new(0));
        let diff_id = DiffId(Digest::of(&bytes));
        let content = Arc::new(Counted(bytes, opened.clone()));
        let layer = Layer::decrypted(MediaType::DOCKER_LAYER, 100, diff_id, content);
        let image = Image::new(Vec::new(), vec![layer]);
        let entry = |offset: u64| {
            let kind = InodeKind::File { offset, len: 2 };
            let inode = Inode { id: (0, offset as usize), metadata: Metadata::default(), kind };
            let path = TreePath::parse(format!("file{offset}").as_bytes()).unwrap();
            SkeletonEntry { path, kind: SkeletonKind::Public(Arc::new(inode)) }
        };
        let folder = TreePath::parse(b"folder").unwrap();
        let folder =
            SkeletonEntry { path: folder, kind: SkeletonKind::Folder(Metadata::default()) };
        let entries = [entry(60), folder, entry(10), entry(98), entry(10)];
        let mut contents = Contents::of(&image);
        let mut read = Vec::new();
        for entry in in_order_of_contents(&entries) {
            let SkeletonKind::Public(inode) = &entry.kind else {
                assert!(read.is_empty(), "the folder comes first");
                continue;
            };
            let mut bytes = Vec::new();
            contents.open(inode).unwrap().read_to_end(&mut bytes).unwrap();
            read.push(bytes);
        }
        assert_eq!(read, [[10, 11], [10, 11], [60, 61], [98, 99]]);
        assert_eq!(opened.load(Ordering::Relaxed), 2, "once, and once more for the same again");
    }
}
