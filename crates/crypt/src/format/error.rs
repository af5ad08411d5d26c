//! The errors of formats. Callers know no more of them than text, class, and causes.

use std::error::Error;
use std::fmt;

use sealcrate_errors::{Classified, ErrorClass};

/// An error of one of the formats. The error's own type is its source.
#[derive(Debug)]
pub struct FormatError(Box<dyn Classified + Send + Sync>);

impl FormatError {
    /// Takes the error of a format.
    pub fn new(error: impl Classified + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for FormatError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl Classified for FormatError {
    fn class(&self) -> Option<ErrorClass> {
        self.0.class()
    }
}
