//! Hints for the errors of operations.

use std::error::Error;

use sealcrate_core::Refusal;

use super::shared::NO_PASSPHRASE;

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use sealcrate_core::Error as E;
    if let Some(refusal) = error.downcast_ref() {
        return hint_of_refusal(refusal);
    }
    match error.downcast_ref()? {
        E::MissingIdentity => Some("give the private key with --identity KEY"),
        E::MissingPassphrase => Some(NO_PASSPHRASE),
        E::PlainImage => Some("if that is what you expect, say --allow-unencrypted"),
        E::UnboundIndex => Some("`sealcrate rewrap` seals the images of an index together"),
        _ => None,
    }
}

fn hint_of_refusal(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::BaseOfIndex => {
            Some("--base names the image of one platform: choose it with --platform")
        }
        Refusal::BindingWithoutKey => {
            Some("--require-binding looks at what a key opens: give a key")
        }
        Refusal::Exposes(_) | Refusal::ExposesLayers(_) => Some("--allow-exposing allows it"),
        Refusal::Homeless(_) => Some("if it belongs there, say so with --home NAME"),
        Refusal::PublishesDecrypted | Refusal::PublishesUnlocked => {
            Some("--publish-decrypted allows it")
        }
        Refusal::Destination
        | Refusal::NestedIndex
        | Refusal::NoEngine
        | Refusal::NoFile
        | Refusal::OtherPlace { .. }
        | Refusal::TooDeep => None,
    }
}
