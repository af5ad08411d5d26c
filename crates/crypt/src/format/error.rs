//! The errors of formats, of which callers know no more than text and cause.

use std::error::Error;
use std::fmt;

/// An error of one of the formats. The error's own type is its source.
#[derive(Debug)]
pub struct FormatError(Box<dyn Error + Send + Sync>);

impl FormatError {
    /// Takes the error of a format.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
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
