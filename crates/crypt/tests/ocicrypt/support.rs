//! Images for tests: skopeo's in layouts, and bound ones made in memory.

use std::error::Error;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sealcrate_crypt::format::Opened;
use sealcrate_crypt::ocicrypt::{Change, DecryptError, Identity, RewrapError, Rewrapping, decrypt};
use sealcrate_crypt::sealed::{Sealing, Unbound};
use sealcrate_image::layout::LayoutSource;
use sealcrate_image::{
    Artifact, Descriptor, DiffId, Digest, Family, Image, Layer, Manifest, MediaType, Source, Spool,
};
use serde_json::{Value, json};

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ocicrypt")
}

pub(crate) fn key_file(name: &str) -> Vec<u8> {
    std::fs::read(data().join("keys").join(name)).unwrap()
}

pub(crate) fn identity(file: &str) -> Identity {
    Identity::parse(&key_file(file)).unwrap()
}

pub(crate) fn fixture(name: &str) -> Image {
    let source: Arc<dyn Source> =
        Arc::new(LayoutSource::open(&data().join(name), Some("1")).unwrap());
    Artifact::read(&source).unwrap().into_image(&source, None).unwrap()
}

pub(crate) fn opened(
    image: &Image,
    identities: &[Identity],
    unbound: Unbound,
) -> Result<Opened, DecryptError> {
    let spool = Spool::in_folder(std::env::temp_dir());
    decrypt(image, identities, unbound, &spool)
}

/// Returns the error of a scheme for which no wrapped key of a layer can be used.
pub(crate) fn of_scheme<E: Error + Copy + 'static>(error: &DecryptError) -> E {
    let DecryptError::WrappedKey { source, .. } = error else { panic!("{error}") };
    *source.source().and_then(|cause| cause.downcast_ref()).expect("the scheme's own error")
}

/// Wraps the keys of `image` to others.
pub(crate) fn rewrap(
    image: &Image,
    identities: &[Identity],
    unbound: Unbound,
    change: Change<'_>,
) -> Result<Image, RewrapError> {
    let rewrapping = Rewrapping::open(image, identities, unbound)?;
    Ok(rewrapping.finish(&change, &Sealing::default())?.image.into_image())
}

pub(crate) fn read_all(layer: &Layer) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    layer.open()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The parts of an image that a test changes: descriptors with their blobs, lowest first, and the
/// config.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) layers: Vec<(Descriptor, Vec<u8>)>,
    pub(crate) config: Value,
}

impl Parts {
    /// A bound image of one clear layer and two encrypted ones, which are plain tars before
    /// encryption.
    pub(crate) fn bound(command: &str) -> Self {
        Self::wrapped(command, &|content| jwe(content))
    }

    /// The same, but `wrap` wraps the keys.
    pub(crate) fn wrapped(command: &str, wrap: &dyn Fn(&[u8]) -> String) -> Self {
        let tars: [Vec<u8>; 3] = [0, 1, 2].map(|i| vec![i; 1024 * (1 + usize::from(i))]);
        let digests = tars.each_ref().map(|tar| Digest::of(tar));
        let config = json!({
            "os": "linux", "architecture": "amd64", "config": {"Cmd": [command]},
            "rootfs": {"type": "layers", "diff_ids": digests},
        });
        let lines: String = digests.iter().map(|digest| format!("{digest}\n")).collect();
        let (blobs, sealed) = (Digest::of(lines.as_bytes()), Digest::of(&bytes(&config)));
        let layers = tars.into_iter().enumerate().map(|(i, tar)| {
            if i == 0 {
                return (Descriptor::of(MediaType::OCI_LAYER, &tar), tar);
            }
            let digest = Digest::of(&tar);
            let binding = json!({"version": 1, "layer": i, "count": 3, "config": sealed,
                "diff_id": digest, "blobs": blobs});
            encrypted(tar, &json!(digest), &binding, wrap)
        });
        Self { layers: layers.collect(), config }
    }

    pub(crate) fn image(&self) -> Image {
        let config = bytes(&self.config);
        let descriptor = Descriptor::of(MediaType::OCI_CONFIG, &config);
        let layers = self.layers.iter().map(|(descriptor, _)| descriptor.clone()).collect();
        let manifest = Some(Manifest::new(Family::Oci, descriptor, layers).to_raw());
        let diff_ids = self.config["rootfs"]["diff_ids"].as_array().unwrap();
        let layers = self.layers.iter().zip(diff_ids).map(|((descriptor, blob), diff_id)| {
            let diff_id = DiffId(diff_id.as_str().unwrap().parse().unwrap());
            Layer::stored(descriptor.clone(), Some(diff_id), Arc::new(blob.clone()))
        });
        Image { manifest, ..Image::new(config, layers.collect()) }
    }
}

fn bytes(config: &Value) -> Vec<u8> {
    serde_json::to_vec(config).unwrap()
}

pub(crate) const PUBLIC_OPTIONS: &str = "org.opencontainers.image.enc.pubopts";
pub(crate) const JWE: &str = "org.opencontainers.image.enc.keys.jwe";

fn encrypted(
    tar: Vec<u8>,
    digest: &Value,
    binding: &Value,
    wrap: &dyn Fn(&[u8]) -> String,
) -> (Descriptor, Vec<u8>) {
    let (key, nonce) = ([7; 32], [8; 16]);
    let mut blob = tar;
    EncryptingKey::ctr(UnboundCipherKey::new(&AES_256, &key).unwrap())
        .unwrap()
        .less_safe_encrypt(&mut blob, EncryptionContext::Iv128(FixedLength::from(nonce)))
        .unwrap();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &blob);
    let public = json!({"cipher": "AES_256_CTR_HMAC_SHA256", "hmac": STANDARD.encode(mac),
        "cipheroptions": {}});
    let private = json!({"symkey": STANDARD.encode(key), "digest": digest,
        "cipheroptions": {"nonce": STANDARD.encode(nonce)}, "sealcrate": binding});
    let mut descriptor =
        Descriptor::of(format!("{}+encrypted", MediaType::OCI_LAYER).into(), &blob);
    let text = STANDARD.encode(public.to_string());
    descriptor.annotations.insert(PUBLIC_OPTIONS.to_owned(), text);
    let text = STANDARD.encode(wrap(private.to_string().as_bytes()));
    descriptor.annotations.insert(JWE.to_owned(), text);
    (descriptor, blob)
}

/// Wraps to the RSA key in the general form, behind a recipient of an unknown kind.
pub(crate) fn jwe(content: &[u8]) -> String {
    let pem = std::fs::read_to_string(data().join("keys/rsa.pub.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let public = PublicEncryptingKey::from_der(&STANDARD.decode(body).unwrap()).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let key = [9; 32];
    let mut wrapped = vec![0; public.ciphertext_size()];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut wrapped, None).unwrap();
    let protected = URL_SAFE_NO_PAD.encode(r#"{"enc":"A256GCM"}"#);
    let mut sealed = content.to_vec();
    let tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap())
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key([1; 12]),
            Aad::from(&protected),
            &mut sealed,
        )
        .unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "protected": protected,
        "recipients": [
            {"header": {"alg": "unknown"}, "encrypted_key": "AAAA"},
            {"header": {"alg": "RSA-OAEP-256"}, "encrypted_key": encode(&wrapped)},
        ],
        "encrypted_key": encode(&wrapped),
        "iv": encode(&[1; 12]),
        "ciphertext": encode(&sealed),
        "tag": encode(tag.as_ref()),
    })
    .to_string()
}
