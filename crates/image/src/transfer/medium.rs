//! The errors of media, as those see them that know no medium.

use std::error::Error;

use thiserror::Error;

/// An error of a medium: an archive, a layout, an engine, a registry.
pub trait MediumError: Error + Send + Sync + Sized + 'static {
    /// Tells what the error means to a caller that does not know the medium.
    fn fault(&self) -> Fault;
}

/// The meaning of an error of a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The image is another than it should be.
    Damaged,
    /// The medium failed, or does not hold or take the image. The causes of the error may say more.
    Failed,
    /// Something else failed before, and its error says more.
    Followed,
}

/// The error of some medium.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct MediumFailure {
    fault: Fault,
    #[source]
    error: Box<dyn Error + Send + Sync>,
}

impl MediumFailure {
    /// Tells what the error means.
    pub fn fault(&self) -> Fault {
        self.fault
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
        let fault = self.fault;
        self.error.downcast().map(|error| *error).map_err(|error| Self { fault, error })
    }
}

impl<E: MediumError> From<E> for MediumFailure {
    fn from(error: E) -> Self {
        Self { fault: error.fault(), error: Box::new(error) }
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

    impl MediumError for Torn {
        fn fault(&self) -> Fault {
            Fault::Followed
        }
    }

    #[derive(Debug, Error)]
    #[error("another medium")]
    struct Other;

    impl MediumError for Other {
        fn fault(&self) -> Fault {
            Fault::Failed
        }
    }

    #[test]
    fn error_of_any_medium_travels_whole() {
        let torn = || Torn(io::Error::other("too old"));
        let (read, written) = (ReadError::from(torn()), WriteError::from(torn()));
        assert_eq!((read.fault(), written.fault()), (Some(Fault::Followed), Some(Fault::Followed)));
        assert_eq!(read.to_string(), "the tape tore");
        let inner = read.source().unwrap();
        assert!(inner.is::<Torn>(), "callers find the error of the medium among the causes");
        assert_eq!(inner.source().unwrap().to_string(), "too old");
        assert!(read.medium::<Torn>().is_some() && read.medium::<Other>().is_none());
        let written = written.into_medium::<Other>().unwrap_err();
        assert_eq!(written.fault(), Some(Fault::Followed));
        assert_eq!(written.into_medium::<Torn>().unwrap().to_string(), "the tape tore");
        assert_eq!(WriteError::NoIndex("a tape").fault(), None);
    }
}
