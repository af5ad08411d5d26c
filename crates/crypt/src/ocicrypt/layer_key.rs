//! One layer by itself, for readers that are shown no more of an image than that.
//!
//! Such a reader cannot hold the image to what is sealed in it: that takes the config and all layers.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_image::{Content, Descriptor, Layer, MediaType, Spool};

use super::annotations::{Encryption, Protection};
use super::cipher::CipherContent;
use super::decrypt::DecryptError;
use super::identity::Identity;
use super::keyring::Keyring;
use super::options::{Mark, PrivateOptions};

/// The key of one layer, and what was wrapped beside it.
pub struct LayerKey {
    stored: Descriptor,
    encryption: Encryption,
    options: PrivateOptions,
}

impl LayerKey {
    /// Unwraps the key of the layer that `descriptor` describes, with one of `identities`.
    ///
    /// # Errors
    /// A layer that is not encrypted; annotations and keys that are malformed; [`DecryptError::WrongKey`].
    pub fn unwrap(descriptor: &Descriptor, identities: &[Identity]) -> Result<Self, DecryptError> {
        let layer = descriptor.digest.short();
        let encryption = Protection::of_layer(descriptor)?
            .ok_or_else(|| DecryptError::LayerNotEncrypted(layer.clone()))?;
        let content = Keyring::new(identities).open(&encryption, &layer)?;
        let options = PrivateOptions::parse(&content)
            .map_err(|source| DecryptError::Options { layer, source })?;
        Ok(Self { stored: descriptor.clone(), encryption, options })
    }

    /// Returns what the decrypted bytes are.
    pub fn media_type(&self) -> &MediaType {
        &self.encryption.media_type
    }

    /// Decrypts `content`, which is opened once and read to its end into `spool` before this returns.
    ///
    /// Its length, digest and HMAC are right then. A marked layer's digest before encryption is checked
    /// when the end of what is returned is reached.
    ///
    /// # Errors
    /// Those of reading and spooling; [`Damage`](sealcrate_image::Damage) and
    /// [`LayerAuthentication`](super::LayerAuthentication) inside an error of kind `InvalidData`.
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
            // Other tools do not always tell the truth here.
            _ => plain.open(),
        }
    }
}

impl fmt::Debug for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LayerKey(..)")
    }
}
