//! The asynchronous runtime of a program: the threads that move bytes over networks.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{self, Handle};

/// How many threads there are. They only move bytes; callers wait on threads of their own.
const THREADS: usize = 2;

/// The asynchronous runtime of a program. Its threads start when something first needs them.
///
/// A program makes one, and gives each of its parts a clone, which stands for the same threads.
#[derive(Clone, Default)]
pub struct Runtime(Arc<Shared>);

#[derive(Default)]
struct Shared {
    started: Mutex<Option<runtime::Runtime>>,
}

impl Runtime {
    /// Returns the way to the threads, which it starts if they do not run.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn handle(&self) -> io::Result<Handle> {
        let mut started = self.0.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*started {
            return Ok(running.handle().clone());
        }
        let running = runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("network")
            .enable_all()
            .build()?;
        Ok(started.insert(running).handle().clone())
    }

    /// Waits until the work of the threads has ended, but no longer than `patience`. Then ends them.
    pub fn end(&self, patience: Duration) {
        let running = self.0.started.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.shutdown_timeout(patience);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Waiting for the end of the threads would be an error on one of them.
        let running = self.started.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn clones_stand_for_the_same_threads() {
        let runtime = Runtime::default();
        let clone = runtime.clone();
        assert_eq!(clone.handle().unwrap().id(), runtime.handle().unwrap().id());
        assert_ne!(Runtime::default().handle().unwrap().id(), clone.handle().unwrap().id());
        // The clone keeps the threads.
        drop(runtime);
        assert_eq!(clone.handle().unwrap().block_on(async { 7 }), 7);
    }

    #[test]
    fn work_that_is_under_way_may_end() {
        let runtime = Runtime::default();
        let (begun, begins) = mpsc::channel();
        let (ended, ends) = mpsc::channel();
        runtime.handle().unwrap().spawn_blocking(move || {
            begun.send(()).unwrap();
            thread::sleep(Duration::from_millis(20));
            ended.send(()).unwrap();
        });
        begins.recv().unwrap();
        runtime.end(Duration::from_secs(60));
        assert_eq!(ends.try_recv(), Ok(()));
    }
}
