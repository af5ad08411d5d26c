//! Images that are read whole, out of any source.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use rustix::fs::{MemfdFlags, memfd_create};
use sealcrate_image::{Artifact, Compression, Digest, Image, Layer, ReadError, Source};

/// The most layers that are read, since one file may stand for any number of them.
const MAX_LAYERS: usize = 12;

/// The longest tar that is unpacked once more to check it.
const MAX_TAR: u64 = 4 << 20;

/// Puts `bytes` into a file that no folder has.
pub(crate) fn file_of(bytes: &[u8]) -> Arc<File> {
    let memory = memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("memory for a file");
    let mut file = File::from(memory);
    file.write_all(bytes).expect("memory for a file");
    Arc::new(file)
}

/// Reads the image that `source` names; an index gives the image for this machine. If the image has
/// a manifest, checks that its config is the one that the manifest names.
pub(crate) fn image(source: &Arc<dyn Source>) -> Result<Image, ReadError> {
    let image = Artifact::read(source)?.into_image(source, None)?;
    assert_eq!(image.manifest.is_some(), source.stores_manifests());
    let Some(raw) = &image.manifest else { return Ok(image) };
    let manifest = sealcrate_image::Manifest::parse(raw).expect("it was parsed before");
    assert_eq!(manifest.config.digest, image.id());
    assert_eq!(manifest.config.size, image.config.len() as u64);
    assert_eq!(manifest.layers.len(), image.layers.len());
    Ok(image)
}

/// Reads the layers of `image`, checks each layer that ends well, and tells whether all did.
pub(crate) fn all_layers_are_whole(image: &Image) -> bool {
    let count = image.layers.len();
    count <= MAX_LAYERS && image.layers.iter().filter(|layer| is_whole(layer)).count() == count
}

/// Reads a layer to its end, and tells whether it ended well. If so, checks its size, its digest
/// and its diff ID.
fn is_whole(layer: &Layer) -> bool {
    let mut stored = Vec::new();
    if layer.open().and_then(|mut reader| reader.read_to_end(&mut stored)).is_err() {
        return false;
    }
    assert_eq!(stored.len() as u64, layer.size());
    if let Some(digest) = layer.digest() {
        assert_eq!(digest, Digest::of(&stored));
    }
    if let Some(diff_id) = layer.diff_id()
        && let Some(tar) = unpacked(layer, &stored)
    {
        assert_eq!(diff_id.0, Digest::of(&tar), "a layer that is not the config's");
    }
    true
}

/// Unpacks a layer that is gzipped or plain, if that is not too much.
fn unpacked(layer: &Layer, stored: &[u8]) -> Option<Vec<u8>> {
    let mut tar = Vec::new();
    match layer.compression().ok()? {
        // The digest may be the diff ID under any type.
        _ if layer.digest() == layer.diff_id().map(|diff_id| diff_id.0) => None,
        Compression::None => Some(stored.to_vec()),
        Compression::Gzip => {
            let mut reader = MultiGzDecoder::new(stored).take(MAX_TAR);
            let result: io::Result<usize> = reader.read_to_end(&mut tar);
            (result.is_ok() && reader.limit() > 0).then_some(tar)
        }
        Compression::Zstd => None,
    }
}
