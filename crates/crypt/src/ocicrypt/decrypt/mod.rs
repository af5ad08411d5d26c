//! Decryption of an image. It opens all keys first, then holds the image to the record or bindings
//! beside them, and decrypts the layers while the caller reads them.

mod error;
mod keyring;
mod layer_key;
pub(crate) mod unlock;

use std::sync::Arc;

use sealcrate_image::{Descriptor, Image, Layer, Outgoing, Spool};

use self::unlock::{Held, Unlocked, UnlockedKey, unlock};
use crate::format::{Opened, StatedContent, StatedDigests};
use crate::ocicrypt::annotations::Encryption;
use crate::ocicrypt::cipher::CipherContent;
use crate::ocicrypt::keys::Identity;
use crate::ocicrypt::options::PrivateOptions;
use crate::ocicrypt::record::RecordError;
use crate::sealed::Unbound;

pub use error::DecryptError;
pub use layer_key::LayerKey;

/// Decrypts `image`, which came from a registry or layout, with `identities`. Ciphertext waits in
/// `spool` until it is authenticated, unless it lies where nobody can change it.
///
/// The layers of a bound image are held to their sealed digests, too. Where nothing unpacks the layers,
/// the sealed digests stand in for the diff IDs. The manifest is the one from before encryption, if the
/// record has it, and the remarks come from the record.
///
/// # Errors
/// [`DecryptError::WrongKey`] before any layer is read; the image is not encrypted, or not bound though
/// the caller demands that; annotations or keys are malformed; the binding does not hold.
pub fn decrypt(
    image: &Image,
    identities: &[Identity],
    unbound: Unbound,
    spool: &Spool,
) -> Result<Opened, DecryptError> {
    let stated = StatedDigests::default();
    let mut unlocked = unlock(image, identities, unbound)?.ok_or(DecryptError::NotEncrypted)?;
    let binding = unlocked.held.binding();
    let mut layers = Vec::with_capacity(image.layers.len());
    let keys = std::mem::take(&mut unlocked.keys);
    for (place, key) in keys.into_iter().enumerate() {
        let stored = &image.layers[place];
        layers.push(match (key, &unlocked.encryptions.layers[place]) {
            (Some(UnlockedKey { options, .. }), Some(encryption)) => {
                decrypted_layer(&unlocked, place, stored, options, encryption, spool, &stated)
            }
            _ => clear_layer(&unlocked, place, stored),
        });
    }
    let mut opened = Image::new(image.config.clone(), layers);
    let record = match unlocked.held {
        Held::Record(record) => Some(record),
        Held::Bindings(_) | Held::Nothing => None,
    };
    if let Some(record) = &record {
        let manifest = record.manifest();
        opened.manifest = manifest.map_err(|_| RecordError::Contradiction("manifest"))?;
        opened.remarks = record.remarks.clone();
    }
    Ok(Opened { image: Outgoing::built(opened), binding, record, stated })
}

/// Returns the layer in clear at `place`, with the annotations that the record has for it. Other
/// members of its descriptor are left out.
fn clear_layer(unlocked: &Unlocked, place: usize, stored: &Layer) -> Layer {
    let Descriptor { media_type, digest, size, .. } = &unlocked.manifest.layers[place];
    let mut descriptor = Descriptor::new(media_type.clone(), *digest, *size);
    let (diff_id, content) = (unlocked.diff_ids[place], stored.content().clone());
    match &unlocked.held {
        Held::Nothing => Layer::stored(descriptor, Some(diff_id), content),
        Held::Bindings(_) => Layer::bound(descriptor, diff_id, content),
        Held::Record(record) => {
            descriptor.annotations.clone_from(&record.layers[place].annotations);
            Layer::bound(descriptor, diff_id, content)
        }
    }
}

/// Returns the layer at `place`, which is decrypted while somebody reads it.
fn decrypted_layer(
    unlocked: &Unlocked,
    place: usize,
    stored: &Layer,
    options: PrivateOptions,
    encryption: &Encryption,
    spool: &Spool,
    stated: &StatedDigests,
) -> Layer {
    let (size, diff_id) = (stored.size(), unlocked.diff_ids[place]);
    let content = Arc::new(CipherContent {
        stored: stored.clone(),
        key: options.key,
        nonce: options.nonce,
        hmac: encryption.hmac,
        spool: spool.clone(),
    });
    let media_type = encryption.media_type.clone();
    match (&unlocked.held, options.digest) {
        (Held::Record(record), Some(digest)) => {
            let mut descriptor = Descriptor::new(media_type, digest, size);
            descriptor.annotations.clone_from(&record.layers[place].annotations);
            Layer::bound(descriptor, diff_id, content)
        }
        (Held::Bindings(digests), _) => {
            Layer::bound(Descriptor::new(media_type, digests[place], size), diff_id, content)
        }
        (Held::Nothing, Some(digest)) => {
            let content = StatedContent::new(content, digest, stored.name(), stated.clone());
            Layer::decrypted(media_type, size, diff_id, Arc::new(content))
        }
        // `unlock` has refused records in which an encrypted layer has no digest.
        (Held::Nothing | Held::Record(_), None) => {
            Layer::decrypted(media_type, size, diff_id, content)
        }
    }
}
