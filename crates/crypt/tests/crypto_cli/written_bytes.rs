//! Written images have the bytes that the format page describes. An independent reader checks this.
//! It shares no code and no cryptography with the code under test.

use std::io::Read;

use crate::support::{SECRET, encrypt, passphrase, plain_image};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealcrate_crypt::crypto_cli::{Encryptor, FreshKey, KeyDataShape};
use sealcrate_crypt::formats::choose;
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Digest, Image};
use serde_json::Value;

const PASSPHRASE: &str = "päss phrase";
const ITERATIONS: u32 = 100_000;

/// The key data that the independent reader finds.
#[derive(Debug, PartialEq)]
struct Found {
    nonce: Vec<u8>,
    salt: Vec<u8>,
    key: Vec<u8>,
    iterations: u64,
}

fn found_in_member(descriptor: &Value) -> Option<Found> {
    let crypto = descriptor.get("crypto")?;
    let names: Vec<&String> = crypto.as_object().unwrap().keys().collect();
    assert_eq!(names, ["algos", "iters", "key", "nonce", "salt", "version"]);
    assert_eq!(crypto["algos"], "PBKDF2-AES256-GCM");
    assert_eq!(crypto["version"], 0);
    let bytes = |name: &str| STANDARD.decode(crypto[name].as_str().unwrap()).unwrap();
    let iterations = crypto["iters"].as_u64().unwrap();
    Some(Found { nonce: bytes("nonce"), salt: bytes("salt"), key: bytes("key"), iterations })
}

fn found_in_url(descriptor: &Value) -> Option<Found> {
    let urls = descriptor.get("urls")?.as_array().unwrap();
    assert_eq!(urls.len(), 1);
    let query = urls[0].as_str().unwrap().strip_prefix("https://crypto.senetas.com/?").unwrap();
    let value = |name: &str| {
        let pair = query.split('&').find(|pair| pair.starts_with(&format!("{name}="))).unwrap();
        pair[name.len() + 1..].replace("%3D", "=")
    };
    assert_eq!(value("algos"), "PBKDF2-AES256-GCM");
    assert_eq!(value("version"), "0");
    let bytes = |name: &str| URL_SAFE.decode(value(name)).unwrap();
    let iterations = value("iters").parse().unwrap();
    Some(Found { nonce: bytes("nonce"), salt: bytes("salt"), key: bytes("key"), iterations })
}

fn data_key(found: &Found) -> Vec<u8> {
    assert_eq!((found.nonce.len(), found.salt.len(), found.key.len()), (12, 16, 48));
    let rounds = u32::try_from(found.iterations).unwrap();
    let kek =
        pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(PASSPHRASE.as_bytes(), &found.salt, rounds);
    gcm(&kek, &found.nonce, &found.key, &found.salt)
}

fn gcm(key: &[u8], nonce: &[u8], ciphertext: &[u8], aad: &[u8]) -> Vec<u8> {
    let key = Key::<Aes256Gcm>::try_from(key).unwrap();
    let nonce = Nonce::try_from(nonce).unwrap();
    Aes256Gcm::new(&key).decrypt(&nonce, Payload { msg: ciphertext, aad }).unwrap()
}

fn undare(stored: &[u8], key: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = stored;
    let mut sequence = 0_u32;
    let first_nonce: Vec<u8> = [&[rest[4] & 0x7f], &rest[5..16]].concat();
    loop {
        let (header, after) = rest.split_at(16);
        assert_eq!((header[0], header[1]), (0x20, 0));
        let len = usize::from(header[2]) + 256 * usize::from(header[3]) + 1;
        let is_last = header[4] >= 0x80;
        assert_eq!([&[header[4] & 0x7f], &header[5..16]].concat(), first_nonce);
        assert!(is_last || len == 65536);
        let mut nonce = header[4..].to_vec();
        for i in 0..4 {
            nonce[8 + i] ^= (sequence >> (8 * i)) as u8;
        }
        plain.extend(gcm(key, &nonce, &after[..len + 16], &header[..4]));
        rest = &after[len + 16..];
        sequence += 1;
        if is_last {
            assert!(rest.is_empty());
            return plain;
        }
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

fn encrypted(shape: KeyDataShape) -> (Image, Image) {
    let plain = plain_image();
    let key = passphrase(PASSPHRASE);
    let key = FreshKey::derive(&key, ITERATIONS).unwrap();
    let encryptor =
        Encryptor::new(&plain, choose(&plain, &Selection::Label).unwrap(), key, shape).unwrap();
    let image = encrypt(&plain, &encryptor);
    (plain, image)
}

fn check(shape: KeyDataShape, found_in: impl Fn(&Value) -> Option<Found>) {
    let (plain, image) = encrypted(shape);
    let manifest: Value = serde_json::from_slice(image.manifest.as_ref().unwrap().bytes()).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    let config = &manifest["config"];
    assert_eq!(config["mediaType"], "application/vnd.docker.container.image.v1+json");
    assert_eq!(config["digest"], Digest::of(&image.config).to_string());
    assert_eq!(config["size"], image.config.len());

    let mut all = vec![found_in(config).expect("the config has key data")];
    for (i, descriptor) in manifest["layers"].as_array().unwrap().iter().enumerate() {
        let layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        assert_eq!(descriptor["mediaType"], layer_type);
        let mut stored = Vec::new();
        image.layers[i].content().open().unwrap().read_to_end(&mut stored).unwrap();
        assert_eq!(descriptor["size"], stored.len());
        assert_eq!(descriptor["digest"], Digest::of(&stored).to_string());
        let mut tar = Vec::new();
        plain.layers[i].open().unwrap().read_to_end(&mut tar).unwrap();
        match (i, found_in(descriptor)) {
            (1 | 2, Some(found)) => {
                assert!(gunzip(&undare(&stored, &data_key(&found))) == tar);
                all.push(found);
            }
            (0 | 3, None) => assert!(gunzip(&stored) == tar),
            (i, found) => panic!("layer {i}: {found:?}"),
        }
    }

    let members: Value = serde_json::from_slice(&image.config).unwrap();
    let names: Vec<&String> = members.as_object().unwrap().keys().collect();
    assert_eq!(names, ["architecture", "created", "enc", "os"]);
    let ciphertext = URL_SAFE.decode(members["enc"].as_str().unwrap()).unwrap();
    let secret = gcm(&data_key(&all[0]), &all[0].nonce, &ciphertext, &all[0].salt);
    let secret: Value = serde_json::from_slice(&secret).unwrap();
    let original: Value = serde_json::from_slice(&plain.config).unwrap();
    for name in ["config", "rootfs", "history"] {
        assert_eq!(secret[name], original[name]);
    }
    assert_eq!(secret["sealcrate"]["version"], 2);
    let record = &secret["sealcrate"]["record"];
    assert_eq!(record["config"]["digest"], Digest::of(&plain.config).to_string());
    for (sealed, stored) in record["layers"].as_array().unwrap().iter().zip(&image.layers) {
        assert_eq!(sealed["stored"]["digest"], stored.digest().unwrap().to_string());
        assert_eq!(sealed["plain"].is_object(), stored.diff_id().is_none());
        assert!(sealed["diffId"].is_string(), "{sealed}");
    }
    let sealed = STANDARD.decode(secret["sealcrate"]["config"].as_str().unwrap()).unwrap();
    assert_eq!(sealed, plain.config);

    for (i, one) in all.iter().enumerate() {
        assert_eq!(one.salt, all[0].salt, "one salt serves the image");
        assert_eq!(one.iterations, u64::from(ITERATIONS));
        for other in &all[..i] {
            assert_ne!(one.nonce, other.nonce);
            assert_ne!(data_key(one), data_key(other));
        }
    }
}

#[test]
fn new_shape_is_as_specified() {
    check(KeyDataShape::Member, found_in_member);
}

#[test]
fn compat_shape_is_as_specified() {
    check(KeyDataShape::Url, found_in_url);
}

#[test]
fn two_pushes_share_no_salt_nonce_or_key() {
    let manifest = || {
        let (_, image) = encrypted(KeyDataShape::Member);
        serde_json::from_slice::<Value>(image.manifest.unwrap().bytes()).unwrap()
    };
    let (one, two) = (manifest(), manifest());
    for (a, b) in [(&one["config"], &two["config"]), (&one["layers"][1], &two["layers"][1])] {
        let (a, b) = (found_in_member(a).unwrap(), found_in_member(b).unwrap());
        assert!(a.salt != b.salt && a.nonce != b.nonce && data_key(&a) != data_key(&b));
    }
}

#[test]
fn secret_text_stands_nowhere_in_clear() {
    let (_, image) = encrypted(KeyDataShape::Member);
    let manifest = image.manifest.as_ref().unwrap().bytes().to_vec();
    let mut stored = vec![manifest, image.config.clone()];
    for layer in &image.layers[1..3] {
        let mut bytes = Vec::new();
        layer.content().open().unwrap().read_to_end(&mut bytes).unwrap();
        stored.push(bytes);
    }
    for bytes in stored {
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    }
}
