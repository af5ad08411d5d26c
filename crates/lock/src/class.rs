//! The classes of the errors of this crate.

use std::error::Error;

use sealcrate_errors::{ErrorClass, class_of};

use crate::{
    ConfigError, DifferenceError, LayerError, LockError, PathError, Problem, ReuseError, TreeError,
    UnlockError,
};

/// Returns the class of an error of this crate. It returns `None` for errors of other crates, and where a cause of
/// the error tells the class.
pub fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    class_of!(
        error;
        ConfigError,
        DifferenceError,
        LayerError,
        LockError,
        PathError,
        Problem,
        ReuseError,
        TreeError,
        UnlockError,
    )
}
