//! The meaning of errors of operations.

use std::error::Error;

use sealcrate_core::Refusal;

use super::kind::{Kind, NO_PASSPHRASE};

pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Option<Kind> {
    use sealcrate_core::Error as E;
    if error.is::<Refusal>() {
        return Some(Kind::Usage);
    }
    match error.downcast_ref()? {
        E::LockedImage | E::PlainImage => Some(Kind::Unencrypted),
        E::MissingIdentity | E::MissingPassphrase => Some(Kind::Key),
        E::OtherPlatform { .. } | E::UnboundIndex => Some(Kind::Damaged),
        // The cause says it.
        E::Caller(_)
        | E::Child(..)
        | E::Choose(_)
        | E::Config(_)
        | E::Destination(_)
        | E::Format(_)
        | E::Home(_)
        | E::Index(_)
        | E::Io(_)
        | E::Manifest(_)
        | E::Open(_)
        | E::PackOptions(_)
        | E::Place { .. }
        | E::Read(_)
        | E::Refused(_)
        | E::Respond(_)
        | E::Table(_)
        | E::Write(_) => None,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_operations_have_their_codes() {
        use sealcrate_core::Error as E;
        let platform = || "linux/amd64".to_owned();
        for (error, kind) in [
            (E::LockedImage, Kind::Unencrypted),
            (E::PlainImage, Kind::Unencrypted),
            (E::MissingIdentity, Kind::Key),
            (E::MissingPassphrase, Kind::Key),
            (E::UnboundIndex, Kind::Damaged),
            (E::OtherPlatform { stated: platform(), own: platform() }, Kind::Damaged),
        ] {
            assert_eq!(kind_of(&error), Some(kind), "{error}");
        }
        assert_eq!(kind_of(&Refusal::NestedIndex), Some(Kind::Usage));
        assert_eq!(kind_of(&E::from(Refusal::NestedIndex)), None);
    }
}
