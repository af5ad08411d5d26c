//! Rewrapping: other recipients for the keys that an image has, without a look at its layers.

use std::io;

use sealcrate_image::{Image, Layer, MAX_MANIFEST_BYTES, ManifestError};
use thiserror::Error;

use super::annotations::{MAX_WRAPS, Scheme};
use super::unlock::{UnlockedKey, unlock};
use super::wrapped::WrappedKey;
use super::{DecryptError, FormerRecipient, Identity, Recipient, Unbound};

/// Who is to open an image from now on, and who no more.
#[derive(Debug, Default)]
pub struct Change {
    /// Recipients whom it did not have.
    pub add: Vec<Recipient>,
    /// Recipients whom it has.
    pub remove: Vec<FormerRecipient>,
}

/// Returns `image` with its keys, which `identities` open, wrapped to other recipients as `change` says.
/// Layers and config stay, and so do the keys themselves: whoever had them still has them.
///
/// # Errors
/// Those of [`decrypt`](super::decrypt); a recipient to be removed to whom alone no key is known to be wrapped,
/// which may be one of another tool's; nobody left.
pub fn rewrap(
    image: &Image,
    identities: &[Identity],
    unbound: Unbound,
    change: &Change,
) -> Result<Image, RewrapError> {
    let unlocked = unlock(image, identities, unbound)?.ok_or(DecryptError::NotEncrypted)?;
    let mut manifest = unlocked.manifest;
    let mut layers = image.layers.clone();
    let encrypted = unlocked.protection.layers.into_iter().zip(unlocked.keys).enumerate();
    for (place, (encryption, key)) in encrypted {
        let (Some(mut encryption), Some(key)) = (encryption, key) else { continue };
        let descriptor = &mut manifest.layers[place];
        let UnlockedKey { content, options } = key;
        for (i, recipient) in change.remove.iter().enumerate() {
            let before = encryption.wraps.len();
            encryption.wraps.retain(|wrapped| !is_for(recipient, wrapped, &options.key));
            if encryption.wraps.len() == before {
                let layer = descriptor.digest.short();
                return Err(RewrapError::NotARecipient { recipient: i, layer });
            }
        }
        for recipient in &change.add {
            encryption.wraps.push(recipient.wrap(&content, &options.key)?);
        }
        match encryption.wraps.len() {
            0 => return Err(RewrapError::Nobody),
            1..=MAX_WRAPS => {}
            _ => return Err(RewrapError::TooMany),
        }
        encryption.put(descriptor);
        layers[place] = Layer::stored(
            descriptor.clone(),
            layers[place].diff_id(),
            layers[place].content().clone(),
        );
    }
    let manifest = manifest.to_raw();
    if manifest.bytes().len() as u64 > MAX_MANIFEST_BYTES {
        return Err(ManifestError::TooLarge.into());
    }
    Ok(Image { manifest: Some(manifest), config: image.config.clone(), layers })
}

fn is_for(former: &FormerRecipient, (scheme, bytes): &(Scheme, Vec<u8>), key: &[u8; 32]) -> bool {
    let wrapped = WrappedKey::parse(scheme, bytes).ok().flatten();
    wrapped.is_some_and(|wrapped| former.is_only_one_of(&wrapped, key))
}

/// Why an image's keys cannot be wrapped to others.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The keys cannot be opened.
    #[error("{0}")]
    Decrypt(#[from] DecryptError),
    /// The system gives no random bytes.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The manifest becomes too large.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// Everybody would be removed.
    #[error("nobody would be left who can open the image")]
    Nobody,
    /// No key of a layer is known to be wrapped to a recipient.
    #[error("layer {layer} is not known to be encrypted to one whom to remove, no. {}", recipient + 1)]
    NotARecipient {
        /// Which of those to be removed, from 0.
        recipient: usize,
        /// The layer.
        layer: String,
    },
    /// There would be more wrapped keys than readers look at.
    #[error("the image would be encrypted to more than {MAX_WRAPS} recipients")]
    TooMany,
}
