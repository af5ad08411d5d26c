//! The facts about a layer that was encrypted, which a later push needs to use it again.

use sealcrate_image::{Digest, MediaType};
use zeroize::Zeroizing;

use crate::sealed::PlainLayer;

/// The key and the digests of a layer once it is encrypted.
#[derive(Clone)]
pub(crate) struct SealedLayer {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) nonce: [u8; 16],
    pub(crate) hmac: [u8; 32],
    /// The digest of the compressed layer before encryption.
    pub(crate) digest: Digest,
    pub(crate) media_type: MediaType,
}

impl SealedLayer {
    /// Returns the layer's media type and digest before encryption.
    pub(super) fn plain(&self) -> PlainLayer {
        PlainLayer { media_type: self.media_type.clone(), digest: Some(self.digest) }
    }
}
