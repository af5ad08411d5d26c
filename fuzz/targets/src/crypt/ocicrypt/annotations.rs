//! Descriptors of layers under OCI image encryption.

use sealcrate_crypt::ocicrypt::{Encryption, MAX_WRAPS};
use sealcrate_image::Descriptor;

/// Reads bytes as a descriptor, and checks that a layer counts as encrypted only if all its parts
/// say so.
pub(crate) fn run(data: &[u8]) {
    let Ok(descriptor) = serde_json::from_slice::<Descriptor>(data) else { return };
    let Ok(found) = Encryption::of(&descriptor) else { return };
    let text = descriptor.media_type.as_str();
    assert_eq!(found.is_some(), text.ends_with("+encrypted"));
    if let Some(found) = found {
        assert_eq!(format!("{}+encrypted", found.media_type), text);
        assert!(found.media_type.compression().is_some());
        assert!((1..=MAX_WRAPS).contains(&found.wraps.len()));
    }
}
