//! The failure of one layer, which ends the load of all.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::engine::EngineError;
use crate::{Damage, WriteError};

/// The failure of a layer, as told to the thread that put it and to all that come after. Several
/// layers are put at once, and chance decides which of the errors is reported: it must not matter.
pub(super) enum Failure {
    /// Its bytes are damaged.
    Damage(Damage),
    /// The engine stopped.
    Engine(EngineError),
    /// Its bytes cannot be read.
    Reading(Arc<io::Error>),
    /// Anything else, in words.
    Said(String),
}

impl Failure {
    /// Takes the error of the layer.
    pub(super) fn of(error: WriteError) -> Self {
        let damage = |error: &io::Error| error.get_ref()?.downcast_ref::<Damage>().cloned();
        match error {
            WriteError::Medium(failure) => match failure.into_inner() {
                Ok(error) => Self::Engine(error),
                Err(other) => Self::Said(other.to_string()),
            },
            WriteError::Io(error) => match damage(&error) {
                Some(damage) => Self::Damage(damage),
                None => Self::Reading(Arc::new(error)),
            },
            other => Self::Said(other.to_string()),
        }
    }

    /// Returns the error for one of the threads.
    pub(super) fn to_error(&self) -> WriteError {
        match self {
            Self::Damage(damage) => io::Error::from(damage.clone()).into(),
            Self::Engine(error) => error.clone().into(),
            Self::Reading(error) => io::Error::new(error.kind(), Shared(Arc::clone(error))).into(),
            Self::Said(reason) => EngineError::GivenUp { reason: reason.clone() }.into(),
        }
    }
}

/// An error that several threads get, and that shows the kind of the original.
#[derive(Debug)]
struct Shared(Arc<io::Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
