//! Payloads that containerd gives its decoder.

use sealcrate_crypt::ocicrypt::{DecryptError, LayerKey, MAX_PAYLOAD_BYTES, Payload};

/// Parses bytes, and checks that nobody without an identity gets the data key.
pub(crate) fn run(data: &[u8]) {
    let Ok(payload) = Payload::parse(data) else { return };
    assert!(data.len() <= MAX_PAYLOAD_BYTES && payload.identities.len() <= 64);
    if let Err(error) = LayerKey::unwrap(&payload.descriptor, &payload.identities) {
        assert!(!matches!(error, DecryptError::NotBound | DecryptError::Tampered(_)));
    }
    assert!(LayerKey::unwrap(&payload.descriptor, &[]).is_err());
}
