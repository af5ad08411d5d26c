//! Images for tests: in a folder, or made in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use sealcrate_crypt::Passphrase;
use sealcrate_crypt::format::ImageEncryptor as _;
use sealcrate_crypt::sealed::Sealing;
use sealcrate_image::{
    CompressionLevel, Compressor, Content, Descriptor, DiffId, Digest, Image, Layer, MediaType,
    Quiet, RawManifest, ReadError, Source, Spool,
};
use serde_json::{Value, json};

/// An image as `manifest.json` and `blobs/sha256/` in a folder.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Names an image that crypto-cli wrote.
    pub(crate) fn fixture(name: &str) -> Self {
        Self(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/crypto-cli").join(name))
    }

    pub(crate) fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.0.join(file)).unwrap()).unwrap()
    }

    pub(crate) fn image(self) -> Image {
        let source: Arc<dyn Source> = Arc::new(self);
        let raw = source.root().unwrap();
        Image::read(&source, raw).unwrap()
    }
}

struct FileContent(PathBuf);

impl Content for FileContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(&self.0)?))
    }
}

impl Source for Folder {
    fn root(&self) -> Result<RawManifest, ReadError> {
        let bytes = std::fs::read(self.0.join("manifest.json"))?;
        Ok(RawManifest::recognise(None, bytes)?)
    }

    fn manifest(&self, _: &Descriptor) -> Result<RawManifest, ReadError> {
        unreachable!("there is no index")
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Content> {
        Arc::new(FileContent(self.0.join("blobs/sha256").join(descriptor.digest.hex())))
    }
}

pub(crate) const SECRET: &str = "the-secret-text";

/// A plain image of four layers: an empty tar at the bottom, then three layers with the secret
/// text.
pub(crate) fn plain_image() -> Image {
    let tars: Vec<Vec<u8>> =
        (0..4_usize)
            .map(|i| {
                if i == 0 {
                    vec![0; 1024]
                } else {
                    format!("{SECRET} {i} ").repeat(i * 9000).into()
                }
            })
            .collect();
    let diff_ids: Vec<String> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": { "Env": [format!("TOKEN={SECRET}")], "Labels": {} },
        "history": [
            { "created_by": "COPY a /" },
            { "created_by": "LABEL com.senetas.crypto.enabled=true", "empty_layer": true },
            { "created_by": format!("COPY {SECRET} /") },
            { "created_by": "COPY b /" },
            { "created_by": "LABEL com.senetas.crypto.enabled=false", "empty_layer": true },
            { "created_by": "COPY c /" },
        ],
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "moby.private": SECRET,
    });
    let layers = tars
        .into_iter()
        .map(|tar| {
            let descriptor = Descriptor::of(MediaType::DOCKER_LAYER, &tar);
            let diff_id = DiffId(descriptor.digest);
            Layer::stored(descriptor, Some(diff_id), Arc::new(tar))
        })
        .collect();
    Image::new(config.to_string().into_bytes(), layers)
}

/// Encrypts `image` layer by layer.
pub(crate) fn encrypt(image: &Image, encryptor: &sealcrate_crypt::crypto_cli::Encryptor) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let (compressor, spool) =
        (Compressor::new(2, CompressionLevel::default()), Spool::in_folder(folder.path()));
    let layers = image
        .layers
        .iter()
        .enumerate()
        .map(|(i, layer)| encryptor.layer(i, layer, &compressor, &spool, &Quiet).unwrap())
        .collect();
    encryptor.finish(layers, &Sealing::default()).unwrap().into_image()
}

pub(crate) fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes().to_vec().into()).unwrap()
}

pub(crate) fn read(layer: &Layer) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    layer.open()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
