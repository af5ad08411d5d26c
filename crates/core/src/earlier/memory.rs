//! The memory of earlier pushes, which the caller keeps.

use sealcrate_crypt::pushed::Record;

use crate::error::ErrorSource;

/// A memory of earlier pushes, which outlives the program.
pub trait PushMemory: Send + Sync {
    /// Reads the record; `None` if there is none yet.
    ///
    /// # Errors
    /// The record is damaged, or cannot be read. If the error or a cause of it is a [`RecordError`](sealcrate_crypt::pushed::RecordError), the next
    /// record replaces the damaged one.
    fn read(&self) -> Result<Option<Record>, ErrorSource>;

    /// Changes the record that is there, or `record` if there is none, and writes it.
    ///
    /// # Errors
    /// The record cannot be written.
    fn update(
        &self,
        record: Record,
        change: &mut dyn FnMut(&mut Record),
    ) -> Result<(), ErrorSource>;
}
