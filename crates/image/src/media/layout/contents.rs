//! The blobs that a layout must have before it may name an image or index.

use super::LayoutError;
use crate::{
    Descriptor, Digest, Family, Image, Index, LayerForm, Manifest, RawManifest, WriteError,
};

/// The form in which layouts store layers.
pub(crate) const LAYER_FORM: LayerForm = LayerForm::Packed(Family::Oci);

/// Returns the manifest of `image`: its own bytes, or, if it has none, a new one made of it.
///
/// # Errors
/// A layer that the layout does not hold; a manifest that names another config than the image's.
pub(crate) fn image_manifest(
    image: &Image,
    holds: impl Fn(&Descriptor) -> bool,
) -> Result<RawManifest, WriteError> {
    let raw = match &image.manifest {
        Some(raw) => raw.clone(),
        None => image.clone().with_manifest(Family::Oci)?.manifest.expect("one was just made"),
    };
    let manifest = Manifest::parse(&raw)?;
    if manifest.config.digest != Digest::of(&image.config) {
        return Err(LayoutError::Config(manifest.config.digest).into());
    }
    check_held(&manifest.layers, holds)?;
    Ok(raw)
}

/// Checks that `raw` is an index, and that the layout holds all its children.
///
/// # Errors
/// No index; a child that the layout does not hold.
pub(crate) fn check_index(
    raw: &RawManifest,
    holds: impl Fn(&Descriptor) -> bool,
) -> Result<(), WriteError> {
    Ok(check_held(&Index::parse(raw)?.manifests, holds)?)
}

fn check_held(
    blobs: &[Descriptor],
    holds: impl Fn(&Descriptor) -> bool,
) -> Result<(), LayoutError> {
    match blobs.iter().find(|blob| !holds(blob)) {
        Some(absent) => Err(LayoutError::BlobAbsent(absent.digest)),
        None => Ok(()),
    }
}
