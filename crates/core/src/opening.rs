//! Opening one image, and the notices about opened images.

use sealcrate_crypt::format::{Keys, Opened, Terms};
use sealcrate_crypt::formats::{self, recognise};
use sealcrate_crypt::ocicrypt::RECORD_ANNOTATION;
use sealcrate_crypt::sealed::{Binding, Home};
use sealcrate_image::{Image, Location};

use crate::Result;
use crate::listener::Notice;
use crate::session::Session;

/// Returns the home of images at a location, which registries alone have.
pub fn home_of(location: &Location) -> Option<Home> {
    match location {
        Location::Registry(reference) => Some(Home::of(reference.repository())),
        _ => None,
    }
}

/// Opens `image`, and gives notice where nothing vouches for it.
///
/// # Errors
/// As [`formats::open`].
pub(crate) fn open(session: &Session, image: &Image, keys: &Keys, terms: &Terms) -> Result<Opened> {
    let opened = formats::open(image, keys, terms, session.spool())?;
    tell_unbound(session, image, opened.binding, recognise(image)?.is_some());
    Ok(opened)
}

/// Gives notice of layers that were read and have other digests than their writer stated.
pub(crate) fn tell_wrong_digests(session: &Session, opened: &Opened) {
    let wrong = opened.stated.wrong();
    if !wrong.is_empty() {
        session.notice(Notice::WrongDigests(wrong));
    }
}

/// Gives notice of an image for which nothing vouches.
pub(crate) fn tell_unbound(session: &Session, image: &Image, binding: Binding, is_encrypted: bool) {
    if binding != Binding::Version2 && image.remarks.annotations.contains_key(RECORD_ANNOTATION) {
        session.notice(Notice::OtherRecord);
    }
    if is_encrypted && binding == Binding::None {
        session.notice(Notice::Unbound);
    }
}
