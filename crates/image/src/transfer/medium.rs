//! The errors of media, as those see them that know no medium.

use std::error::Error;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// An error of a medium: an archive, a layout, an engine, a registry.
pub trait MediumError: Classified + Send + Sync + Sized + 'static {
    /// Tells whether another error came first and says more, such as the error of another layer.
    fn follows_another(&self) -> bool {
        false
    }
}

/// The error of some medium.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct MediumFailure {
    class: Option<ErrorClass>,
    follows_another: bool,
    #[source]
    error: Box<dyn Error + Send + Sync>,
}

impl Classified for MediumFailure {
    fn class(&self) -> Option<ErrorClass> {
        self.class
    }
}

impl MediumFailure {
    /// Tells whether another error came first and says more.
    pub fn follows_another(&self) -> bool {
        self.follows_another
    }

    /// Returns the error, if it is of the medium whose errors are `E`.
    pub fn get<E: MediumError>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }

    /// Returns the error, if it is of the medium whose errors are `E`.
    ///
    /// # Errors
    /// It is of another medium: the same value.
    pub fn into_inner<E: MediumError>(self) -> Result<E, Self> {
        let Self { class, follows_another, error } = self;
        error.downcast().map(|error| *error).map_err(|error| Self { class, follows_another, error })
    }
}

impl<E: MediumError> From<E> for MediumFailure {
    fn from(error: E) -> Self {
        let (class, follows_another) = (error.class(), error.follows_another());
        Self { class, follows_another, error: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{ReadError, WriteError};

    /// The error of a medium that nothing here knows.
    #[derive(Debug, Error)]
    #[error("the tape tore")]
    struct Torn(#[source] io::Error);

    impl Classified for Torn {
        fn class(&self) -> Option<ErrorClass> {
            Some(ErrorClass::Damaged)
        }
    }

    impl MediumError for Torn {
        fn follows_another(&self) -> bool {
            true
        }
    }

    #[derive(Debug, Error)]
    #[error("another medium")]
    struct Other;

    impl Classified for Other {
        fn class(&self) -> Option<ErrorClass> {
            None
        }
    }

    impl MediumError for Other {}

    #[test]
    fn error_of_any_medium_travels_whole() {
        let torn = || Torn(io::Error::other("too old"));
        let (read, written) = (ReadError::from(torn()), WriteError::from(torn()));
        assert_eq!(
            (read.class(), written.class()),
            (Some(ErrorClass::Damaged), Some(ErrorClass::Damaged))
        );
        assert!(written.follows_another());
        assert_eq!(read.to_string(), "the tape tore");
        let inner = read.source().unwrap();
        assert!(inner.is::<Torn>(), "callers find the error of the medium among the causes");
        assert_eq!(inner.source().unwrap().to_string(), "too old");
        assert!(read.medium::<Torn>().is_some() && read.medium::<Other>().is_none());
        let written = written.into_medium::<Other>().unwrap_err();
        assert_eq!((written.class(), written.follows_another()), (Some(ErrorClass::Damaged), true));
        assert_eq!(written.into_medium::<Torn>().unwrap().to_string(), "the tape tore");
        assert!(!WriteError::NoIndex("a tape").follows_another());
    }
}
