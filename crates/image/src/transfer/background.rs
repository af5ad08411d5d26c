//! Work in the background: a writer on a thread of its own, so that its caller goes on meanwhile.
//!
//! A check that costs as much as its transfer runs beside the transfer in this way.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

/// How many bytes change threads at once, and how many such parts may wait.
const PART: usize = 128 << 10;
const WAITING: usize = 4;

/// Passes bytes on to a writer on another thread.
///
/// An error of that writer is the error of a later write, or of [`finish`](Self::finish). Dropped
/// without `finish`, it gives the writer the bytes passed on so far, and tells nobody of the
/// outcome.
pub(crate) struct BackgroundWriter<W> {
    part: Vec<u8>,
    sender: SyncSender<Vec<u8>>,
    /// Parts that have been written, to be filled again.
    empty: Receiver<Vec<u8>>,
    thread: Option<thread::JoinHandle<io::Result<W>>>,
}

impl<W: Write + Send + 'static> BackgroundWriter<W> {
    /// Starts the thread that writes to `inner`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn new(mut inner: W) -> io::Result<Self> {
        let (sender, parts) = sync_channel::<Vec<u8>>(WAITING);
        // As many places as there can be parts: giving one back never waits.
        let (back, empty) = sync_channel(WAITING + 2);
        let thread = thread::Builder::new().name("background".into()).spawn(move || {
            for mut part in parts {
                inner.write_all(&part)?;
                part.clear();
                // The caller may have ended meanwhile.
                if let Err(TrySendError::Full(part)) = back.try_send(part) {
                    drop(part);
                }
            }
            Ok(inner)
        })?;
        Ok(Self { part: Vec::with_capacity(PART), sender, empty, thread: Some(thread) })
    }

    /// Waits until everything is written, and returns the writer.
    ///
    /// # Errors
    /// Errors of the writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.pass_on()?;
        let Self { sender, thread, .. } = self;
        drop(sender);
        outcome(thread)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PART));
        let part = std::mem::replace(&mut self.part, next);
        match self.sender.send(part) {
            Ok(()) => Ok(()),
            // The thread is gone, which it is before the end only after an error.
            Err(_) => Err(outcome(self.thread.take())
                .err()
                .unwrap_or_else(|| io::Error::other("the writer has ended"))),
        }
    }
}

fn outcome<W>(thread: Option<thread::JoinHandle<io::Result<W>>>) -> io::Result<W> {
    let failed = || io::Error::other("the writer has failed before");
    let thread = thread.ok_or_else(failed)?;
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl<W: Write + Send + 'static> Write for BackgroundWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() == PART {
            self.pass_on()?;
        }
        let count = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Passes on the bytes so far, without waiting until they are written.
    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order() {
        for len in [0, 1, PART - 1, PART, PART + 1, (WAITING + 3) * PART + 7] {
            let bytes: Vec<u8> = (0..len).map(|i| (i / 251) as u8).collect();
            for step in [1000, 3 * PART] {
                let mut background = BackgroundWriter::new(Vec::new()).unwrap();
                bytes.chunks(step).for_each(|chunk| background.write_all(chunk).unwrap());
                assert!(background.finish().unwrap() == bytes, "{len} in steps of {step}");
            }
        }
    }

    /// Takes `left` bytes.
    #[derive(Debug)]
    struct Limited {
        left: usize,
    }

    impl Write for Limited {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.left.checked_sub(bytes.len());
            self.left = left.ok_or_else(|| io::Error::other("full"))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn error_of_the_writer_is_told_at_the_end() {
        let mut background = BackgroundWriter::new(Limited { left: 9 }).unwrap();
        background.write_all(&[0; 10]).unwrap();
        assert_eq!(background.finish().unwrap_err().to_string(), "full");
    }

    #[test]
    fn error_of_the_writer_ends_the_writing() {
        let mut background = BackgroundWriter::new(Limited { left: PART }).unwrap();
        let failed = (0..2 * WAITING + 4).find_map(|_| background.write_all(&[0; PART]).err());
        assert_eq!(failed.unwrap().to_string(), "full");
        assert!(background.write_all(&[0; 2 * PART]).is_err());
        assert!(background.finish().is_err());
    }
}
