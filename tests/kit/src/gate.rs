//! A gate at which threads of servers wait for a test.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Holds requests back until a test has seen the state that it waits for.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets all held requests through, and all that come later.
    pub fn open(&self) {
        let (is_open, opened) = &*self.0;
        *is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        opened.notify_all();
    }

    /// Waits until it is opened.
    pub(crate) fn wait(&self) {
        let (is_open, opened) = &*self.0;
        let closed = is_open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(opened.wait_while(closed, |is_open| !*is_open));
    }
}
