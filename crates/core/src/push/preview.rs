//! The preview of a push: which layers it would encrypt.

use std::collections::BTreeSet;

use sealcrate_crypt::formats::choose;
use sealcrate_crypt::select::Selection;
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Descriptor, Image, Location, Platform};

use super::pushable::Pushable;
use crate::Result;
use crate::index::chosen::Listed;
use crate::private::{Exposure, Private};
use crate::session::Session;

/// An image as a push would treat it.
pub struct Preview {
    /// The image as it is in the source.
    pub image: Image,
    /// The index of the source, and its entry for the image.
    pub listed: Option<Listed>,
    /// The attestations about the image.
    pub attestations: Vec<Descriptor>,
    /// The places of the layers that would be encrypted.
    pub encrypted: BTreeSet<usize>,
}

/// Returns every image of `from` that a push to `to` would put, with the layers that it would encrypt. It
/// does not ask the registry.
///
/// # Errors
/// The image cannot be read; the selection does not fit it; the push would expose layers that this machine
/// pushed encrypted.
pub fn preview(
    session: &Session,
    (from, to): (&Location, &Location),
    platform: Option<&Platform>,
    selection: Option<&Selection>,
    exposure: Exposure,
) -> Result<Vec<Preview>> {
    let source = session.places.source(from, ExportForm::AsTheyCome)?;
    let mut previews = Vec::new();
    for Pushable { image, listed, attestations } in Pushable::all(&source, platform, to)? {
        let encrypted = match selection {
            Some(selection) => choose(&image, selection)?.places().clone(),
            None => BTreeSet::new(),
        };
        if exposure == Exposure::Refuse {
            let known = Private::known(session, None, None, None)?;
            known.refuse_to_expose(&image, |place| encrypted.contains(&place))?;
        }
        previews.push(Preview { image, listed, attestations, encrypted });
    }
    Ok(previews)
}
