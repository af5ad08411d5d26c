//! Archives as `docker save` writes them.

use std::sync::Arc;

use sealcrate_image::archive::{DockerArchive, DockerArchiveWriter, OciArchiveSource};
use sealcrate_image::{CompressionLevel, Compressor, Image, Packing, Reference, Source, Spool};

use crate::image::reading;

/// Reads bytes as an archive of either kind, and the images in it. Writes each whole image again,
/// and checks that it comes back the same.
pub(crate) fn docker(data: &[u8]) {
    let oci = OciArchiveSource::open(reading::file_of(data), None);
    if let Ok(source) = oci {
        let source: Arc<dyn Source> = Arc::new(source);
        if let Ok(image) = reading::image(&source) {
            reading::all_layers_are_whole(&image);
        }
    }
    let second = DockerArchive::open_nth(reading::file_of(data), 1);
    let only = DockerArchive::open_bytes(data);
    assert!(only.is_err() || second.is_err(), "the only image is one of two");
    let image = only.ok().and_then(checked);
    received(data, image.as_ref());
    second.ok().and_then(checked);
}

/// Reads the image of an archive, if it can be read.
fn checked(archive: DockerArchive) -> Option<Image> {
    let names: Vec<Reference> =
        archive.repo_tags().iter().filter_map(|tag| tag.parse().ok()).collect();
    let source: Arc<dyn Source> = Arc::new(archive);
    let image = reading::image(&source).ok()?;
    let diff_ids = image.layers.iter().all(|layer| layer.diff_id().is_some());
    assert!(diff_ids, "a layer of an archive whose diff ID is not known");
    if reading::all_layers_are_whole(&image) {
        written_again(&image, &names);
    }
    Some(image)
}

/// Reads bytes as the archive that an engine sends, and gzips its layers on their way. Checks that
/// each layer that ends well has the config's diff ID, and that a whole image has the config of the
/// archive at rest.
fn received(data: &[u8], at_rest: Option<&Image>) {
    let compressor = Compressor::new(1, CompressionLevel::default());
    let spool = Spool::in_folder(std::env::temp_dir());
    let packing = Packing::gzip(&compressor);
    let Ok(archive) = DockerArchive::receive(&mut &data[..], packing, &spool) else { return };
    let source: Arc<dyn Source> = Arc::new(archive);
    let Ok(image) = reading::image(&source) else { return };
    if let (true, Some(at_rest)) = (reading::all_layers_are_whole(&image), at_rest) {
        assert_eq!(image.config, at_rest.config);
    }
}

/// Checks that `image` comes back from an archive that is made of it, with the `names` that have a
/// tag.
fn written_again(image: &Image, names: &[Reference]) {
    let mut writer = DockerArchiveWriter::new(Vec::new());
    for layer in &image.layers {
        writer.put(layer).expect("it was read before");
    }
    let tagged: Vec<&Reference> = names.iter().filter(|name| name.tag().is_some()).collect();
    let bytes = writer.finish(image, &tagged).expect("nothing is missing");
    let archive = DockerArchive::open_bytes(&bytes).expect("what was written");
    assert_eq!(archive.repo_tags().len(), tagged.len());
    for (spelling, name) in archive.repo_tags().iter().zip(tagged) {
        let again: Reference = spelling.parse().expect("what was written");
        assert_eq!((again.repository(), again.tag()), (name.repository(), name.tag()));
    }
    let source: Arc<dyn Source> = Arc::new(archive);
    let again = reading::image(&source).expect("what was written");
    assert_eq!(again.config, image.config);
    assert!(reading::all_layers_are_whole(&again));
}
