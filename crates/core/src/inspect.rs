//! `inspect`: what anybody, and what a reader, can see of an image.

use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::format::{EncryptedImage, Keys, Terms};
use sealcrate_crypt::formats::{OpenError, recognise};
use sealcrate_crypt::sealed::{Binding, SealedRecord, Unbound};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Image, Location, Platform};

use crate::Result;
use crate::index::chosen::{Chosen, Listed};
use crate::session::Session;

/// The options of an inspection.
pub struct InspectOptions<'a> {
    /// The place of the image.
    pub location: &'a Location,
    /// The platform of the image in an index.
    pub platform: Option<&'a Platform>,
    /// The policy for images that nothing binds.
    pub unbound: Unbound,
}

/// The facts about an image.
pub struct Inspected {
    /// The image as it is stored.
    pub image: Image,
    /// The index that it was chosen from, and its entry.
    pub listed: Option<Listed>,
    /// How it is encrypted, if it is.
    pub encrypted: Option<Box<dyn EncryptedImage>>,
    /// The parts that the keys open; `None` if there are no keys for the image.
    pub inside: Option<Inside>,
}

/// The parts that a key opens, beside layers.
pub struct Inside {
    /// How the image is bound.
    pub binding: Binding,
    /// The config, where it is encrypted.
    pub config: Option<Config>,
    /// The sealed record, if there is one.
    pub record: Option<Box<SealedRecord>>,
    /// Whether the record lists all wrapped keys, and no others.
    pub lists_all_readers: bool,
}

/// Collects the facts about an image, with those that `keys` open.
///
/// # Errors
/// The image cannot be read or opened.
///
/// # Example
/// ```
/// use sealcrate_core::{Direct, InspectOptions, Session, inspect};
/// use sealcrate_crypt::format::Keys;
/// use sealcrate_crypt::sealed::Unbound;
/// use sealcrate_image::Spool;
/// use sealcrate_image::registry::Access;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let spool = Spool::in_folder(std::env::temp_dir());
/// let session = Session::new(Direct::new(spool.clone(), |_| Access::default()), spool);
/// let options = InspectOptions {
///     location: &"oci:tests/data/plain:1".parse()?,
///     platform: None,
///     unbound: Unbound::Accept,
/// };
/// let inspected = inspect(&session, &options, &Keys::default())?;
/// assert!(inspected.encrypted.is_none());
/// assert_eq!(inspected.image.layers.len(), 2);
/// # Ok(())
/// # }
/// ```
pub fn inspect(session: &Session, options: &InspectOptions<'_>, keys: &Keys) -> Result<Inspected> {
    let source = session.places.source(options.location, ExportForm::AsTheyCome)?;
    let chosen = Chosen::of(Artifact::read(&source)?, &source, options.platform)?;
    let encrypted = recognise(&chosen.image)?;
    let inside = match &encrypted {
        None if options.unbound != Unbound::Accept => return Err(OpenError::NotEncrypted.into()),
        Some(encrypted) if encrypted.is_for(keys) => {
            let terms = Terms::anywhere(Unencrypted::Accept, options.unbound);
            let opened = chosen.open(session, &source, keys, &terms)?;
            let config = match encrypted.has_config() {
                true => Some(Config::parse(&opened.image.config)?),
                false => None,
            };
            let (binding, record) = (opened.binding, opened.record);
            let lists_all_readers =
                record.as_ref().is_none_or(|record| encrypted.lists_all_readers(record));
            Some(Inside { binding, config, record, lists_all_readers })
        }
        _ => None,
    };
    let Chosen { image, listed } = chosen;
    Ok(Inspected { image, listed, encrypted, inside })
}
