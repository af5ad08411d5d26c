//! Incoming blobs: bytes on their way into an unnamed file, whose readers follow behind the writer.
//!
//! With it, sealcrate reads a download while it still comes, and uploads a layer while it still
//! encrypts it. The writer tells how far the bytes have come and how they ended; this module knows
//! neither by itself.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::{Content, Digest};

/// How far the bytes have come.
#[derive(Debug, Default)]
pub(crate) struct IncomingBlob {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Arc<File>>,
    arrived: u64,
    end: Option<io::Result<()>>,
}

impl IncomingBlob {
    /// Tells where the bytes arrive.
    pub(crate) fn begin(&self, file: Arc<File>) {
        self.change(|state| state.file = Some(file));
    }

    /// Tells that all bytes before `arrived` are there.
    pub(crate) fn advance(&self, arrived: u64) {
        self.change(|state| state.arrived = arrived);
    }

    /// Tells that no more bytes come, and why. Only the first outcome counts.
    pub(crate) fn end(&self, outcome: io::Result<()>) {
        self.change(|state| {
            state.end.get_or_insert(outcome);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until there is something beyond `position`. Returns the file and how far it is filled, or
    /// `None` at the end. The first caller gets the error of a failure itself; later callers get only
    /// its text.
    fn wait(&self, position: u64) -> io::Result<Option<(Arc<File>, u64)>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let (Some(file), true) = (&state.file, state.arrived > position) {
                return Ok(Some((file.clone(), state.arrived)));
            }
            match &mut state.end {
                None => {}
                Some(Ok(())) => return Ok(None),
                Some(failed) => {
                    let told = Err(io::Error::other("writing it has failed before"));
                    return std::mem::replace(failed, told).map(|()| None);
                }
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Bytes that arrive, as content. Reading waits for them, and fails where their writer did.
pub(crate) struct IncomingContent {
    incoming: Arc<IncomingBlob>,
    checked: Option<Digest>,
}

impl IncomingContent {
    /// Takes bytes that their writer checks against the digest `checked`, if there is one. The blob
    /// ends well only if the bytes have that digest.
    pub(crate) fn new(incoming: Arc<IncomingBlob>, checked: Option<Digest>) -> Self {
        Self { incoming, checked }
    }
}

impl Content for IncomingContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Follower { incoming: self.incoming.clone(), position: 0 }))
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn proven(&self) -> Option<Digest> {
        self.checked
    }
}

struct Follower {
    incoming: Arc<IncomingBlob>,
    position: u64,
}

impl Read for Follower {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((file, arrived)) = self.incoming.wait(self.position)? else {
            return Ok(0);
        };
        let there = usize::try_from(arrived - self.position).unwrap_or(usize::MAX);
        let want = there.min(buffer.len());
        let count = file.read_at(&mut buffer[..want], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}
