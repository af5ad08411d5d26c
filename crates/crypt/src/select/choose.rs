//! The choice that a selection makes in an image, for both formats.

use std::collections::BTreeSet;

use sealcrate_image::{Config, ConfigError, Image};
use thiserror::Error;

use super::{SelectError, Selection};
use crate::crypto_cli::KeyDataError;
use crate::{crypto_cli, ocicrypt};

/// Returns the places of the layers of `image` to encrypt, lowest first from 0.
///
/// # Errors
/// The image is encrypted already, or the selection does not fit it.
pub fn choose(image: &Image, selection: &Selection) -> Result<BTreeSet<usize>, ChooseError> {
    if ocicrypt::is_encrypted(image) || crypto_cli::is_encrypted(image)? {
        return Err(ChooseError::AlreadyEncrypted);
    }
    let config = Config::parse(&image.config)?;
    let (diff_ids, layers) = (config.diff_ids().len(), image.layers.len());
    if diff_ids != layers {
        return Err(ConfigError::LayerCount { diff_ids, layers }.into());
    }
    Ok(selection.of(&config)?)
}

/// Why layers of an image cannot be chosen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// The image is encrypted.
    #[error("the image is encrypted already")]
    AlreadyEncrypted,
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A descriptor has key data that cannot be read.
    #[error("{0}")]
    KeyData(#[from] KeyDataError),
    /// The selection does not fit the image.
    #[error("{0}")]
    Select(#[from] SelectError),
}
