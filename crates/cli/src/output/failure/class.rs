//! The classes of the program's own errors, and the exit code of each class.

use std::error::Error;

use sealcrate_core::{ErrorClass, causes};
use sealcrate_errors::class_of;

use super::errors::{MissingIdentity, MissingKey, NoOpenPgpFile, NoPayload, Usage};
use super::no_layer_key::NoLayerKey;

/// Returns the class of the first error of a chain that tells one. An error of the system or of another library
/// tells none: something failed.
pub(super) fn class(error: &(dyn Error + 'static)) -> ErrorClass {
    causes(error)
        .find_map(|error| own(error).or_else(|| sealcrate_core::class(error)))
        .unwrap_or(ErrorClass::Failure)
}

/// Returns the exit code of a class, as the README lists them.
pub(super) fn exit_code(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Failure => 1,
        ErrorClass::Usage => 2,
        ErrorClass::Key => 3,
        ErrorClass::NotEncrypted => 4,
        ErrorClass::Damaged => 5,
    }
}

fn own(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    class_of!(
        error;
        MissingIdentity,
        MissingKey,
        NoLayerKey,
        NoOpenPgpFile,
        NoPayload,

        Usage,
    )
}
