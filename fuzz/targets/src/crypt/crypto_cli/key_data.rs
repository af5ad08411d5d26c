//! Key data in descriptors, in both shapes.

use sealcrate_crypt::crypto_cli::{KeyData, KeyDataShape};
use sealcrate_image::{Descriptor, MediaType};
use serde_json::Value;

/// Reads bytes as a whole descriptor, as the member alone, and as the URL alone.
pub(crate) fn run(data: &[u8]) {
    if let Ok(descriptor) = serde_json::from_slice::<Descriptor>(data) {
        let written = serde_json::to_vec(&descriptor).expect("a descriptor is JSON");
        let again: Descriptor = serde_json::from_slice(&written).expect("what was written");
        assert_eq!(again, descriptor);
        check(&descriptor);
    }
    if let Ok(member) = serde_json::from_slice::<Value>(data) {
        let mut descriptor = empty();
        descriptor.crypto = Some(member);
        check(&descriptor);
    }
    if let Ok(url) = str::from_utf8(data) {
        let mut descriptor = empty();
        descriptor.urls.push(url.to_owned());
        check(&descriptor);
    }
}

/// Checks that the key data of `descriptor`, if there is any, comes back from both shapes.
pub(crate) fn check(descriptor: &Descriptor) {
    let Ok(Some((data, _))) = KeyData::of(descriptor) else { return };
    for shape in [KeyDataShape::Member, KeyDataShape::Url] {
        let mut descriptor = empty();
        data.put(&mut descriptor, shape);
        let (again, found) = KeyData::of(&descriptor).expect("what was written").expect("is there");
        assert!(again == data && found == shape, "{shape:?}");
        // A second one beside it is an error, even one that says the same.
        let mut twice = descriptor.clone();
        data.put(&mut twice, KeyDataShape::Url);
        assert!(KeyData::of(&twice).is_err());
    }
}

fn empty() -> Descriptor {
    Descriptor::of(MediaType::DOCKER_LAYER_GZIP, b"")
}
