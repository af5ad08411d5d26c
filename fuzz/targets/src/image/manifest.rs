//! Manifests and indexes, as a registry or layout serves them.

use sealcrate_crypt::crypto_cli::WrappedKeys;
use sealcrate_image::{Digest, Index, MAX_LAYERS, Manifest, MediaType, Platform, RawManifest};

use crate::crypt::crypto_cli::key_data;

/// The types under which servers may say that they serve the bytes.
const SERVED: [Option<&str>; 4] = [
    None,
    Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
    Some("application/vnd.oci.image.index.v1+json"),
    Some("text/html"),
];

/// Recognises bytes under each served type, and parses them as a manifest or an index.
pub(crate) fn run(data: &[u8]) {
    for served in SERVED {
        let Ok(raw) = RawManifest::recognise(served, data.to_vec()) else { continue };
        assert_eq!(raw.bytes(), data);
        assert_eq!(raw.digest(), Digest::of(data));
        assert_ne!(raw.media_type().is_index(), raw.media_type().is_manifest());
        match (Manifest::parse(&raw), Index::parse(&raw)) {
            (Ok(_), Ok(_)) => panic!("a manifest and an index at once (CVE-2021-41190)"),
            (Ok(manifest), Err(_)) => check_manifest(&raw, &manifest),
            (Err(_), Ok(index)) => check_index(&raw, &index),
            (Err(_), Err(_)) => {}
        }
    }
}

fn check_manifest(raw: &RawManifest, manifest: &Manifest) {
    assert!(manifest.layers.len() <= MAX_LAYERS);
    let again = recognised(raw.media_type(), &manifest.to_raw());
    assert_eq!(&Manifest::parse(&again).expect("what was written"), manifest);
    for descriptor in manifest.layers.iter().chain([&manifest.config]) {
        key_data::check(descriptor);
    }
    if let Ok(wrapped_keys) = WrappedKeys::of(manifest) {
        assert_eq!(wrapped_keys.layers.len(), manifest.layers.len());
        assert_eq!(wrapped_keys.is_any(), wrapped_keys.shape.is_some());
    }
}

fn check_index(raw: &RawManifest, index: &Index) {
    let again = recognised(raw.media_type(), &index.to_raw());
    assert_eq!(&Index::parse(&again).expect("what was written"), index);
    let here = Platform::of_this_machine();
    for platform in [None, Some(&here)] {
        if let Ok(child) = index.child(platform) {
            assert!(index.images().any(|image| image == child), "an attestation was chosen");
        }
    }
    for child in &index.manifests {
        let about = index.attestations_of(child.digest).count();
        assert!(about <= index.manifests.len() - index.images().count());
    }
}

/// Recognises written bytes as a client does that is served the original's type.
fn recognised(media_type: &MediaType, written: &RawManifest) -> RawManifest {
    let bytes = written.bytes().to_vec();
    let again = RawManifest::recognise(Some(media_type.as_str()), bytes).expect("what was written");
    assert_eq!(again.media_type(), media_type);
    again
}
