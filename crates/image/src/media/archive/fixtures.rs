//! Images for the tests of archives and layouts, and the ways in and out of these.

use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_test_kit::gzip;

use crate::{
    Artifact, Compression, CompressionLevel, Compressor, Descriptor, DiffId, Digest, Family, Image,
    Layer, LayerForm, MediaType, Outgoing, Quiet, ReadError, Sink, Source, Spool, Transfer,
    WriteError,
};

/// A config of layers whose tars are `tars`.
pub(crate) fn config(tars: &[&[u8]]) -> Vec<u8> {
    sealcrate_test_kit::Image::of(tars.iter().map(|tar| tar.to_vec())).config()
}

pub(crate) fn compressed(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => gzip(bytes),
        Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
    }
}

pub(crate) fn layer(tar: &[u8], compression: Compression, diff_id: Option<DiffId>) -> Layer {
    let bytes = compressed(tar, compression);
    let descriptor = Descriptor::of(MediaType::layer(Family::Docker, compression), &bytes);
    Layer::stored(descriptor, diff_id, Arc::new(bytes))
}

/// The unpacked layers of [`image`].
pub(crate) const TARS: [&[u8]; 3] = [b"the lowest layer", b"the middle one", b"the top"];

/// An image without a manifest, whose layers are plain, gzipped, and in zstd.
pub(crate) fn image() -> Image {
    let compressions = [Compression::None, Compression::Gzip, Compression::Zstd];
    let layers = TARS
        .iter()
        .zip(compressions)
        .map(|(tar, compression)| layer(tar, compression, Some(DiffId(Digest::of(tar)))))
        .collect();
    Image::new(config(&TARS), layers)
}

/// Puts the layers of `image` into `sink`, and commits it.
pub(crate) fn write(image: &Image, sink: &dyn Sink) -> Result<Descriptor, WriteError> {
    let image = Image { layers: put(image, sink)?, ..image.clone() };
    sink.commit(&Outgoing::built(image))
}

/// Puts those layers of `image` into `sink` that are not there.
pub(crate) fn put(image: &Image, sink: &dyn Sink) -> Result<Vec<Layer>, WriteError> {
    let transfer = Transfer {
        jobs: 2,
        compressor: Arc::new(Compressor::new(1, CompressionLevel::default())),
        spool: Spool::in_folder(std::env::temp_dir()),
        progress: Arc::new(Quiet),
    };
    let form = match &image.manifest {
        Some(_) => LayerForm::AsItComes,
        None => sink.layer_form(),
    };
    let keep = |_, layer: &Layer, _: &Spool| Ok(layer.clone());
    transfer.put_layers(&image.layers, &sink.present(image)?, form, sink, keep)
}

/// Reads the tars of all layers.
pub(crate) fn tars(image: &Image) -> Vec<Vec<u8>> {
    let unpacked = |layer: &Layer| {
        let mut tar = Vec::new();
        let reader = layer.open_unpacked()?;
        io::BufReader::new(reader).read_to_end(&mut tar).map(|_| tar)
    };
    image.layers.iter().map(|layer| unpacked(layer).unwrap()).collect()
}

/// Reads the image that `source` names, and every layer to its end.
pub(crate) fn read(source: impl Source + 'static) -> Result<(Image, Vec<Vec<u8>>), ReadError> {
    let source: Arc<dyn Source> = Arc::new(source);
    let Artifact::Image(image) = Artifact::read(&source)? else { panic!("an index") };
    let mut layers = Vec::new();
    for layer in &image.layers {
        let mut bytes = Vec::new();
        layer.open()?.read_to_end(&mut bytes)?;
        layers.push(bytes);
    }
    Ok((image, layers))
}
