//! The classes of errors, and the search for them among causes.

use std::error::Error;
use std::io;

use sealcrate_errors::{ErrorClass, class_of};

use crate::{DestinationError, Error as CoreError, PackOptionsError, Refusal, RespondError};

/// Returns the class of an error of this crate, or of a crate below it. It returns `None` for other errors, and
/// where a cause of the error tells the class: see [`causes`].
///
/// ```
/// use sealcrate_core::{ErrorClass, Refusal, causes, class};
///
/// let error = sealcrate_core::Error::from(Refusal::NestedIndex);
/// assert_eq!(causes(&error).find_map(class), Some(ErrorClass::Usage));
/// ```
pub fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    let own = class_of!(
        error;
        CoreError,
        DestinationError,
        PackOptionsError,
        Refusal,
        RespondError,
    );
    own.or_else(|| sealcrate_crypt::class(error))
        .or_else(|| sealcrate_lock::class(error))
        .or_else(|| sealcrate_pack::class(error))
        .or_else(|| sealcrate_image::class(error))
}

/// Returns an error and its causes, with the errors inside I/O errors.
pub fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> + 'e {
    std::iter::successors(Some(error), |&error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use sealcrate_crypt::crypto_cli::dare::DareError;
    use sealcrate_crypt::crypto_cli::{DecryptError, EncryptError, KdfError};
    use sealcrate_image::engine::EngineError;
    use sealcrate_image::{Damage, WriteError};

    use super::*;

    fn class_in(error: impl Error + 'static) -> Option<ErrorClass> {
        causes(&error).find_map(class)
    }

    #[test]
    fn errors_inside_io_errors_are_found() {
        let damage = Damage::TooLong { what: "x".into(), expected: 1 };
        assert_eq!(class_in(io::Error::from(damage)), Some(ErrorClass::Damaged));
        assert_eq!(class_in(io::Error::from(DareError::Truncated)), Some(ErrorClass::Damaged));
        assert_eq!(
            class_in(EncryptError::Io(DareError::Truncated.into())),
            Some(ErrorClass::Damaged)
        );
    }

    #[test]
    fn cause_tells_the_class_where_an_error_only_wraps_it() {
        assert_eq!(
            class_in(DecryptError::Kdf(KdfError::TotalIterations)),
            Some(ErrorClass::Damaged)
        );
        let other_layer = EngineError::OtherLayer { said: "x".into() };
        assert_eq!(class_in(WriteError::from(other_layer)), Some(ErrorClass::Damaged));
        assert_eq!(class_in(WriteError::from(EngineError::EndedEarly)), Some(ErrorClass::Failure));
        assert_eq!(class_in(io::Error::other("x")), None);
    }
}
