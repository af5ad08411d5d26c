//! What a registry holds, read and written without the product.

use sealcrate_tests::Registry;
use sealcrate_tests::http::request;
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

/// Uploads a manifest of the media type that it names itself.
pub(crate) fn put_manifest(registry: &Registry, repository: &str, tag: &str, bytes: &[u8]) {
    let manifest: Value = serde_json::from_slice(bytes).expect("manifests are JSON");
    let media_type = manifest["mediaType"].as_str().expect("the manifest names its type");
    let target = format!("/v2/{repository}/manifests/{tag}");
    let headers = [("Content-Type", media_type)];
    let put = request("PUT", registry.host(), &target, &headers, bytes);
    let put = put.expect("the registry answers");
    assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
}
