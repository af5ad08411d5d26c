//! The options of a push.

use sealcrate_crypt::format::Encryption;
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Location, Platform, Reference};

use crate::earlier::Doubts;
use crate::index::Attestations;
use crate::private::Exposure;

/// The options of a push.
#[derive(Clone, Copy)]
pub struct PushOptions<'a> {
    /// The place of the image.
    pub from: &'a Location,
    /// The name that it gets.
    pub to: &'a Reference,
    /// The keys and layers to encrypt; `None` for an image that stays in clear.
    pub encrypting: Option<Encrypting<'a>>,
    /// The platform to push of an index; `None` for all of it.
    pub platform: Option<&'a Platform>,
    /// The treatment of earlier pushes.
    pub reuse: Reuse<'a>,
    /// The treatment of attestations.
    pub attestations: Attestations,
    /// The treatment of layers that were private before and would be in clear.
    pub exposure: Exposure,
}

/// The keys that an image is encrypted to, and the layers to encrypt.
#[derive(Clone, Copy)]
pub struct Encrypting<'a> {
    /// The keys, in their format.
    pub encryption: &'a dyn Encryption,
    /// The layers.
    pub selection: &'a Selection,
}

/// The use of layers that were pushed before.
#[derive(Clone, Copy, Debug)]
pub enum Reuse<'a> {
    /// All layers are encrypted and sent anew, and nothing is remembered.
    Nothing,
    /// Layers of the target, of these images and of the memory are used again.
    Of {
        /// Further images that may hold layers.
        images: &'a [Reference],
        /// The treatment of tags that were changed meanwhile.
        doubts: Doubts,
    },
}
