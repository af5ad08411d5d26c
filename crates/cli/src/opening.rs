//! Opening: the options of the command line about keys and terms, and the warnings about opened images.

use anyhow::Result;
use sealcrate_crypt::format::{Keys, Opened, Terms};
use sealcrate_crypt::formats::{self, recognise};
use sealcrate_crypt::ocicrypt::RECORD_ANNOTATION;
use sealcrate_crypt::sealed::{Binding, Home, Unbound};
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::{Image, Location, Spool};

use crate::args::IdentityArgs;
use crate::failure::Usage;
use crate::{keys, talk};

/// Takes a passphrase, and reads the identities that the command line names.
pub(crate) fn keys(passphrase: Option<Passphrase>, args: &IdentityArgs) -> Result<Keys> {
    Ok(Keys::new(keys::identities(&args.identity)?, passphrase))
}

/// Refuses a demand that nothing can meet: without a key, nobody sees the binding of an image.
pub(crate) fn refuse_unmet(keys: &Keys, args: &IdentityArgs) -> Result<()> {
    if args.require_binding.is_some() && !keys.is_any() {
        let text = "--require-binding looks at what a key opens, and there is no key";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(())
}

/// Returns the terms for an image at `from`.
pub(crate) fn terms(unencrypted: Unencrypted, args: &IdentityArgs, from: &Location) -> Terms {
    Terms { place: home_of(from), ..terms_anywhere(unencrypted, args) }
}

/// Returns the terms for an image whose place is checked elsewhere.
pub(crate) fn terms_anywhere(unencrypted: Unencrypted, args: &IdentityArgs) -> Terms {
    let unbound = match args.require_binding {
        None => Unbound::Accept,
        Some(1) => Unbound::Refuse,
        Some(_) => Unbound::RefuseVersion1,
    };
    Terms::anywhere(unencrypted, unbound)
}

/// Returns the home of images at a location, which registries alone have.
pub(crate) fn home_of(location: &Location) -> Option<Home> {
    match location {
        Location::Registry(reference) => Some(Home::of(reference.repository())),
        _ => None,
    }
}

/// Opens `image`; its ciphertext waits in `spool`. Warns where nothing vouches for the image.
pub(crate) fn open(image: &Image, keys: &Keys, terms: &Terms, spool: &Spool) -> Result<Opened> {
    let encrypted = recognise(image)?;
    let opened = formats::open(image, encrypted.as_deref(), keys, terms, spool)?;
    tell_what_is_not_bound(image, opened.binding, encrypted.is_some());
    Ok(opened)
}

/// Warns of layers that were read and have other digests than their writer stated.
pub(crate) fn tell_wrong_digests(opened: &Opened) {
    let wrong = opened.stated.wrong();
    if !wrong.is_empty() {
        talk::warn(format!(
            "layers are not of the digests that stand beside their keys, but of the diff IDs in the \
             config: {}",
            wrong.join(", ")
        ));
    }
}

/// Warns of an image for which nothing vouches.
pub(crate) fn tell_what_is_not_bound(image: &Image, binding: Binding, is_encrypted: bool) {
    if binding != Binding::Version2 && image.remarks.annotations.contains_key(RECORD_ANNOTATION) {
        talk::note(
            "the image has a sealed record of another one, which tools leave behind that encrypt or decrypt \
             by themselves: it does not count",
        );
    }
    if is_encrypted && binding == Binding::None {
        talk::warn(
            "another tool wrote this image, and nothing in it binds layers and config to each other: \
             somebody without a key may have changed them (--require-binding refuses such images)",
        );
    }
}
