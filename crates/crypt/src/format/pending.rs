//! Values that are derived from a passphrase while their caller goes on.

use std::cell::{OnceCell, RefCell};
use std::thread;

use super::FormatError;

/// A value that is being derived, once for all images of an index.
pub struct Pending<T> {
    derivation: RefCell<Option<thread::JoinHandle<Result<T, FormatError>>>>,
    derived: OnceCell<T>,
}

impl<T: Clone + Send + 'static> Pending<T> {
    /// Begins to derive a value, in a thread of its own.
    pub fn begin(derive: impl FnOnce() -> Result<T, FormatError> + Send + 'static) -> Self {
        let derivation = RefCell::new(Some(thread::spawn(derive)));
        Self { derivation, derived: OnceCell::new() }
    }

    /// Waits for the value. After an error nobody may call this again.
    ///
    /// # Errors
    /// The derivation failed.
    ///
    /// # Panics
    /// The derivation panicked; it failed before.
    pub fn wait(&self) -> Result<T, FormatError> {
        if let Some(handle) = self.derivation.take() {
            let derived = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            return Ok(self.derived.get_or_init(|| derived).clone());
        }
        Ok(self.derived.get().expect("it was derived before").clone())
    }
}
