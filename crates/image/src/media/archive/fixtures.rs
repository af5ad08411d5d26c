//! Images, and archives made by hand, entry by entry, for the tests of archives and layouts.

use std::io::{self, Read, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    Artifact, Compression, CompressionLevel, Compressor, Descriptor, DiffId, Digest, Family, Image,
    Layer, LayerForm, MediaType, Outgoing, Quiet, ReadError, Sink, Source, Spool, Transfer,
    WriteError,
};

/// A tar that is being put together.
pub(crate) struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub(crate) fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        self.0.append(&named(header, name, ""), bytes).unwrap();
        self
    }

    pub(crate) fn special(mut self, kind: tar::EntryType, name: &str, target: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        self.0.append(&named(header, name, target), &[][..]).unwrap();
        self
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.special(tar::EntryType::Symlink, name, target)
    }

    pub(crate) fn images(self, images: &Value) -> Self {
        self.file("manifest.json", images.to_string().as_bytes())
    }

    /// Gives the next entry a longer name, as GNU tar does.
    pub(crate) fn long_name(self, name: &str) -> Self {
        self.extension(tar::EntryType::GNULongName, name)
    }

    /// Adds an entry that extends the headers of the next one.
    pub(crate) fn extension(mut self, kind: tar::EntryType, name: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(name.len() as u64);
        self.0.append(&named(header, "././@LongLink", ""), name.as_bytes()).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Names an entry without the care that the tar crate takes of names.
fn named(mut header: tar::Header, name: &str, target: &str) -> tar::Header {
    let fields = header.as_gnu_mut().unwrap();
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    header
}

/// A config of layers whose tars are `tars`.
pub(crate) fn config(tars: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
    json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string()
        .into_bytes()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    compressed(bytes, Compression::Gzip)
}

pub(crate) fn compressed(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).unwrap();
            gzip.finish().unwrap()
        }
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
