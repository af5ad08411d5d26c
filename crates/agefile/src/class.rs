//! The classes of the errors of this crate.

use core::error::Error;

use sealcrate_errors::{ErrorClass, class_of};

use crate::x25519::{IdentityError, RecipientError};
#[cfg(feature = "host")]
use crate::{DecryptError, EncryptError, NoRandomness};
use crate::{HeaderError, StreamError, UnwrapError};

/// Returns the class of an error of this crate. It returns `None` for errors of other crates, and where a cause
/// of the error tells the class.
pub fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    let class = class_of!(
        error;
        HeaderError,
        IdentityError,
        RecipientError,
        StreamError,
        UnwrapError,
    );
    #[cfg(feature = "host")]
    let class = class.or_else(|| class_of!(error; DecryptError, EncryptError, NoRandomness));
    class
}
