//! The classes of the errors of this crate.

use core::error::Error;

use sealcrate_errors::{ErrorClass, class_of};

use crate::challenge::ChallengeError;
use crate::index::IndexError;
use crate::response::ResponseError;
use crate::{FolderError, KeyTextError, ParametersError, SegmentError};

/// Returns the class of an error of this crate. It returns `None` for errors of other crates, and where a cause
/// of the error tells the class.
pub fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    class_of!(
        error;
        ChallengeError,
        FolderError,
        IndexError,
        KeyTextError,
        ParametersError,
        ResponseError,
        SegmentError,
    )
}
