//! The key of one layer, for readers that see no more of an image than this layer.
//!
//! Such a reader cannot hold the image to its sealed record: that takes the config and all layers.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_image::{Content, Descriptor, Layer, MediaType, Spool};

use super::error::DecryptError;
use super::keyring::Keyring;
use crate::ocicrypt::annotations::{Encryption, LayerEncryptions};
use crate::ocicrypt::cipher::CipherContent;
use crate::ocicrypt::keys::Identity;
use crate::ocicrypt::options::{Mark, PrivateOptions};

/// The key of one layer, with the options that were wrapped beside it.
pub struct LayerKey {
    stored: Descriptor,
    encryption: Encryption,
    options: PrivateOptions,
}

impl LayerKey {
    /// Unwraps the key of the layer that `descriptor` describes, with one of `identities`.
    ///
    /// # Errors
    /// The layer is not encrypted; annotations or keys are malformed; [`DecryptError::WrongKey`].
    pub fn unwrap(descriptor: &Descriptor, identities: &[Identity]) -> Result<Self, DecryptError> {
        let layer = descriptor.digest.short();
        let encryption = LayerEncryptions::of_layer(descriptor)?
            .ok_or_else(|| DecryptError::LayerNotEncrypted(layer.clone()))?;
        let content = Keyring::new(identities).open(&encryption, &layer)?;
        let options = PrivateOptions::parse(&content)
            .map_err(|source| DecryptError::Options { layer, source })?;
        Ok(Self { stored: descriptor.clone(), encryption, options })
    }

    /// Returns the media type of the decrypted bytes.
    pub fn media_type(&self) -> &MediaType {
        &self.encryption.media_type
    }

    /// Decrypts `content`, which it opens once and reads to its end into `spool` before it returns.
    ///
    /// Then the content's length, digest and HMAC are right. If the layer has sealcrate's mark, the
    /// returned reader also checks the digest before encryption when it reaches the end.
    ///
    /// # Errors
    /// Reading or spooling fails. [`Damage`](sealcrate_image::Damage) and
    /// [`LayerAuthentication`](crate::ocicrypt::LayerAuthentication) are inside an error of kind
    /// `InvalidData`.
    pub fn decrypt(
        &self,
        content: Arc<dyn Content>,
        spool: &Spool,
    ) -> io::Result<Box<dyn Read + Send>> {
        let plain = CipherContent {
            stored: Layer::stored(self.stored.clone(), None, content),
            key: self.options.key.clone(),
            nonce: self.options.nonce,
            hmac: self.encryption.hmac,
            spool: spool.clone(),
        };
        match (&self.options.mark, self.options.digest) {
            (Mark::Binding(_) | Mark::Record, Some(digest)) => {
                let media_type = self.encryption.media_type.clone();
                let descriptor = Descriptor::new(media_type, digest, self.stored.size);
                Layer::stored(descriptor, None, Arc::new(plain)).open_stored()
            }
            // Other tools do not always state the right digest.
            _ => plain.open(),
        }
    }
}

impl fmt::Debug for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LayerKey(..)")
    }
}
