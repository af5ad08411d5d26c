//! The formats of encrypted images, and the steps that are the same for all of them.

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{Config, ConfigError, Image, Outgoing, Spool};
use thiserror::Error;

use crate::Unencrypted;
use crate::crypto_cli::CryptoCli;
use crate::format::{EncryptedImage, Format, FormatError, Keys, Opened, Terms};
use crate::ocicrypt::OciCrypt;
use crate::sealed::{HomeError, Unbound};
use crate::select::{Chosen, SelectError, Selection};

/// The formats, in the order in which they are tried.
pub const FORMATS: [&dyn Format; 2] = [&OciCrypt, &CryptoCli];

/// Recognises an encrypted image by its manifest. Returns `None` if nothing of it is encrypted.
///
/// # Errors
/// The manifest, or a mark of a format in it, is malformed.
pub fn recognise(image: &Image) -> Result<Option<Box<dyn EncryptedImage>>, FormatError> {
    recognise_among(&FORMATS, image)
}

/// Recognises an image that is encrypted in one of `formats`.
///
/// # Errors
/// As [`recognise`].
pub fn recognise_among(
    formats: &[&dyn Format],
    image: &Image,
) -> Result<Option<Box<dyn EncryptedImage>>, FormatError> {
    for format in formats {
        if let Some(encrypted) = format.recognise(image)? {
            return Ok(Some(encrypted));
        }
    }
    Ok(None)
}

/// Opens an image, which may be in clear. Ciphertext waits in `spool`.
///
/// # Errors
/// The keys do not open the image; it was changed; the terms refuse it; its home is another one.
pub fn open(image: &Image, keys: &Keys, terms: &Terms, spool: &Spool) -> Result<Opened, OpenError> {
    open_among(&FORMATS, image, keys, terms, spool)
}

/// Opens an image that may be encrypted in one of `formats`.
///
/// # Errors
/// As [`open`].
pub fn open_among(
    formats: &[&dyn Format],
    image: &Image,
    keys: &Keys,
    terms: &Terms,
    spool: &Spool,
) -> Result<Opened, OpenError> {
    // The image itself says whether it is encrypted, so that no caller takes ciphertext for clear bytes.
    let opened = match (recognise_among(formats, image)?, terms.unencrypted, terms.unbound) {
        (Some(encrypted), ..) => encrypted.open(keys, terms, spool)?,
        (None, Unencrypted::Refuse, _) => return Err(OpenError::NotEncrypted),
        (None, Unencrypted::Accept, Unbound::Refuse | Unbound::RefuseVersion1) => {
            return Err(OpenError::NotBound);
        }
        (None, Unencrypted::Accept, Unbound::Accept) => {
            Opened::unchanged(Outgoing::built(image.clone()))
        }
    };
    terms.check_home(opened.record.as_deref())?;
    Ok(opened)
}

/// Chooses the layers of `image` to encrypt.
///
/// # Errors
/// The image is encrypted already, or the selection does not fit it.
pub fn choose(image: &Image, selection: &Selection) -> Result<Chosen, ChooseError> {
    for format in FORMATS {
        if format.marks(image)? {
            return Err(ChooseError::AlreadyEncrypted);
        }
    }
    let config = Config::parse(&image.config)?;
    let (diff_ids, layers) = (config.diff_ids().len(), image.layers.len());
    if diff_ids != layers {
        return Err(ConfigError::LayerCount { diff_ids, layers }.into());
    }
    Ok(Chosen::new(selection.of(&config)?))
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
    /// A mark of a format cannot be read.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// The selection does not fit the image.
    #[error("{0}")]
    Select(#[from] SelectError),
}

impl Classified for ChooseError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::AlreadyEncrypted => Some(ErrorClass::Failure),
            Self::Format(error) => error.class(),
            Self::Config(_) | Self::Select(_) => None,
        }
    }
}

/// Why an image cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The format does not open it.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// It is at another place than its home.
    #[error("{0}")]
    Home(#[from] HomeError),
    /// Nothing binds the layers to each other and to the config.
    #[error("nothing binds the image's layers to each other and to its config")]
    NotBound,
    /// Nothing in the image is encrypted.
    #[error("the image is not encrypted")]
    NotEncrypted,
}

impl Classified for OpenError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NotEncrypted => Some(ErrorClass::NotEncrypted),
            Self::NotBound => Some(ErrorClass::Damaged),
            Self::Format(error) => error.class(),
            Self::Home(_) => None,
        }
    }
}
