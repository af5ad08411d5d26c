//! The content of a registry, read and written without the product.

use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_tests::http::request;
use sealcrate_tests::{Registry, note_secret};
use serde_json::Value;

/// The manifest that a tag names.
#[track_caller]
pub(crate) fn manifest(registry: &Registry, repository: &str, tag: &str) -> Value {
    let bytes = registry.manifest(repository, tag).expect("the tag is there");
    serde_json::from_slice(&bytes).expect("manifests are JSON")
}

/// Which layers of a manifest carry key data in the member `crypto`, from the lowest up.
pub(crate) fn encrypted_layers(manifest: &Value) -> Vec<bool> {
    layers(manifest).iter().map(|layer| layer.get("crypto").is_some()).collect()
}

pub(crate) fn layers(manifest: &Value) -> &[Value] {
    manifest["layers"].as_array().expect("manifests have layers")
}

/// A descriptor's digest.
pub(crate) fn digest(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().expect("descriptors have digests")
}

/// The data keys of an image's config and encrypted layers, unwrapped as the format's page says.
pub(crate) fn data_keys(manifest: &Value, passphrase: &str) -> Vec<Vec<u8>> {
    let all = [&manifest["config"]].into_iter().chain(layers(manifest));
    all.filter_map(|descriptor| descriptor.get("crypto"))
        .map(|data| {
            let bytes = |member: &str| {
                let text = data[member].as_str().expect("key data has its members");
                STANDARD.decode(text).expect("key data is base64")
            };
            let rounds = data["iters"].as_u64().and_then(|rounds| u32::try_from(rounds).ok());
            let rounds = rounds.and_then(NonZeroU32::new).expect("rounds are a number");
            let (salt, mut key) = (bytes("salt"), [0; 32]);
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
            pbkdf2::derive(algorithm, rounds, &salt, passphrase.as_bytes(), &mut key);
            let key = UnboundKey::new(&AES_256_GCM, &key).expect("the key has 32 bytes");
            let nonce = Nonce::try_assume_unique_for_key(&bytes("nonce"));
            let (nonce, mut wrapped) = (nonce.expect("nonces have 12 bytes"), bytes("key"));
            let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::from(&salt), &mut wrapped);
            let data_key = opened.expect("the passphrase opens the key").to_vec();
            note_secret("data key", &data_key);
            data_key
        })
        .collect()
}

/// Uploads a blob to a plain registry.
pub(crate) fn put_blob(registry: &Registry, repository: &str, digest: &str, bytes: &[u8]) {
    let host = registry.host();
    let target = format!("/v2/{repository}/blobs/uploads/");
    let begun = request("POST", host, &target, &[], b"").expect("the registry answers");
    let location = begun.head.header("Location").expect("the registry names the upload");
    let target = location.strip_prefix(&format!("http://{host}")).expect("it is the same host");
    let target = format!("{target}&digest={digest}");
    let put = request("PUT", host, &target, &[], bytes).expect("the registry answers");
    assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
}

/// Uploads a manifest under the media type that it states itself.
pub(crate) fn put_manifest(registry: &Registry, repository: &str, tag: &str, bytes: &[u8]) {
    let manifest: Value = serde_json::from_slice(bytes).expect("manifests are JSON");
    let media_type = manifest["mediaType"].as_str().expect("the manifest names its type");
    let target = format!("/v2/{repository}/manifests/{tag}");
    let headers = [("Content-Type", media_type)];
    let put = request("PUT", registry.host(), &target, &headers, bytes);
    let put = put.expect("the registry answers");
    assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
}
