//! The options of a copy.

use sealcrate_crypt::format::{Encryption, Keys, Terms};
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Location, Platform};

use crate::error::Refusal;
use crate::index::Attestations;
use crate::private::Exposure;

/// The options of a copy.
#[derive(Clone, Copy)]
pub struct CopyOptions<'a> {
    /// The place of the image.
    pub from: &'a Location,
    /// The place that it goes to.
    pub to: &'a Location,
    /// The keys to decrypt it with. Without keys it stays as it is.
    pub keys: &'a Keys,
    /// The images to accept.
    pub terms: &'a Terms,
    /// The platform to copy of an index; `None` for all of it, if `to` can hold an index.
    pub platform: Option<&'a Platform>,
    /// The treatment of attestations.
    pub attestations: Attestations,
    /// The encryption of the copy, if it is encrypted.
    pub encrypting: Option<CopyEncryption<'a>>,
    /// The treatment of decrypted images that would be published.
    pub publication: Publication,
}

/// The encryption of a copy.
#[derive(Clone, Copy)]
pub struct CopyEncryption<'a> {
    /// The keys, in their format.
    pub encryption: &'a dyn Encryption,
    /// The layers; `None` to keep private layers private, and to choose the others by label.
    pub selection: Option<&'a Selection>,
    /// The treatment of parts that were private before and would be in clear.
    pub exposure: Exposure,
}

/// The treatment of decrypted images that would be written to a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// They are written.
    Allow,
    /// The operation refuses.
    Refuse,
}

impl Publication {
    /// Refuses to write a decrypted image to a registry, unless that is allowed.
    pub(crate) fn check(self, to: &Location) -> Result<(), Refusal> {
        match (self, to) {
            (Self::Refuse, Location::Registry(_)) => Err(Refusal::PublishesDecrypted),
            _ => Ok(()),
        }
    }
}
