//! The classes of the errors of this crate.

use std::error::Error;

use sealcrate_errors::{ErrorClass, class_of};

use crate::{
    AnswerError, CoverError, FrameError, InFolderError, KeyError, OpenError, OpenersError,
    PackError, PackedError, ProgramError, RecipientError,
};

/// Returns the class of an error of this crate, or of the bytes of a packed program. It returns `None` for other
/// errors, and where a cause of the error tells the class.
pub fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    let of_bytes = || sealcrate_packfile::class(error).or_else(|| sealcrate_agefile::class(error));
    class_of!(
        error;
        AnswerError,
        CoverError,
        FrameError,
        InFolderError,
        KeyError,
        OpenError,
        PackError,
        PackedError,
        ProgramError,
        OpenersError,
        RecipientError,
    )
    .or_else(of_bytes)
}
