//! Images in crypto-cli's format that were pushed before, and their layers that another push may
//! use again.
//!
//! Two facts make it safe. First, the passphrase that opens the old image will also encrypt the new
//! one, so the writer who chose a data key knew the passphrase. Second, the passphrase
//! authenticates the config. The config names both the blob and the diff ID of each layer, so no
//! stranger has put one blob in the place of another. `docs/formats/crypto-cli.md`, "Pushing
//! again".

use sealcrate_image::{Compression, Image};

use super::decrypt::Unlocked;
use super::encrypt::DareKey;
use super::{DecryptError, KeyDerivation};
use crate::Unencrypted;
use crate::format::EarlierImage;
use crate::pushed::PushedLayer;
use crate::sealed::Unbound;

/// Opens an image that was pushed before. Returns `None` if nothing binds its layers to its config.
///
/// # Errors
/// The passphrase is another one; the image or its config is not encrypted; a part is damaged or
/// contradicts another.
pub fn open_pushed(
    image: &Image,
    kdf: &mut KeyDerivation,
) -> Result<Option<EarlierImage>, DecryptError> {
    let opened = Unlocked::of(image, kdf, Unencrypted::Refuse, Unbound::Accept)?;
    if !opened.is_bound() {
        return Ok(None);
    }
    let layers = image.layers.iter().zip(opened.layers).filter_map(|(layer, of_layer)| {
        Some(PushedLayer {
            diff_id: of_layer.diff_id,
            digest: layer.digest()?,
            size: layer.size(),
            compression: Compression::Gzip,
            key: of_layer.key.map(|key| DareKey { key, digest: of_layer.digest }.to_pushed()),
        })
    });
    Ok(Some(EarlierImage { layers: layers.collect(), config: opened.config }))
}
