//! The meaning of the key provider's errors.

use std::error::Error;

use sealcrate_crypt::ocicrypt::provider::{RequestError, UnwrapError, WrapError};

use super::kind::Kind;

pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Option<Kind> {
    if let Some(error) = error.downcast_ref::<UnwrapError>() {
        return match error {
            UnwrapError::Damaged | UnwrapError::Options(_) => Some(Kind::Damaged),
            _ => Some(Kind::Key),
        };
    }
    match error.downcast_ref() {
        Some(RequestError::Item(_) | RequestError::Options(_)) => return Some(Kind::Damaged),
        Some(RequestError::Identity(_)) => return Some(Kind::Key),
        _ => {}
    }
    match error.downcast_ref() {
        Some(WrapError::Kind | WrapError::NoRecipient) => Some(Kind::Usage),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_keys_damage_and_requests_that_make_no_sense_are_told_apart() {
        assert_eq!(kind_of(&UnwrapError::WrongKey(1)), Some(Kind::Key));
        assert_eq!(kind_of(&UnwrapError::NoIdentity), Some(Kind::Key));
        assert_eq!(kind_of(&UnwrapError::Damaged), Some(Kind::Damaged));
        assert_eq!(kind_of(&WrapError::NoRecipient), Some(Kind::Usage));
        assert_eq!(kind_of(&RequestError::Malformed), None);
    }
}
