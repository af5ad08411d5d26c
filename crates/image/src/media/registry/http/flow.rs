//! How far the bytes of an upload have come: which are there, and which the connection has taken.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a stream has come.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    offered: AtomicU64,
    taken: AtomicU64,
    /// How often the connection had to wait for bytes.
    waits: AtomicU64,
    ended: AtomicBool,
}

/// How far a stream had come at some time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    left: u64,
    taken: u64,
    waits: u64,
    is_whole: bool,
}

impl Flow {
    /// Takes note that there are `position` bytes to take by now.
    pub(crate) fn offer(&self, position: u64) {
        self.offered.store(position, Ordering::Release);
    }

    /// Takes note that the connection has taken `bytes` more.
    pub(crate) fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Release);
    }

    /// Takes note that the connection has to wait for bytes.
    pub(crate) fn wait(&self) {
        self.waits.fetch_add(1, Ordering::Release);
    }

    /// Takes note that no more bytes will come.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Tells whether all bytes have come.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Returns how far it has come.
    pub(crate) fn mark(&self) -> Mark {
        let taken = self.taken.load(Ordering::Acquire);
        let is_whole = self.ended.load(Ordering::Acquire);
        let left = self.offered.load(Ordering::Acquire).saturating_sub(taken);
        let waits = self.waits.load(Ordering::Acquire);
        Mark { left, taken, waits, is_whole }
    }
}

impl Mark {
    /// Tells whether the connection has taken all that there is.
    pub(crate) fn is_at_end(self) -> bool {
        self.is_whole && self.left == 0
    }

    /// Returns how many bytes the connection has taken since another mark, if it never had to wait for
    /// them and could have taken more.
    pub(crate) fn sent_since(self, before: Self) -> Option<u64> {
        let is_its_own_rate = self.waits == before.waits && !self.is_at_end() && !self.is_dry();
        is_its_own_rate.then_some(self.taken - before.taken)
    }

    /// Tells whether the connection waits for bytes that are not there yet.
    pub(crate) fn is_dry(self) -> bool {
        !self.is_whole && self.left == 0
    }
}

#[cfg(test)]
impl Mark {
    /// Tells whether the connection has taken `bytes` bytes.
    pub(crate) fn has_taken(self, bytes: u64) -> bool {
        self.taken >= bytes
    }
}

#[cfg(test)]
impl Flow {
    /// A stream whose remaining bytes have all been offered.
    pub(crate) fn offered(bytes: u64) -> Self {
        Self { offered: AtomicU64::new(bytes), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_of_a_connection_is_known_only_while_it_is_what_is_waited_for() {
        let mark = |left, taken, waits, is_whole| Mark { left, taken, waits, is_whole };
        let before = mark(5, 10, 1, false);
        assert_eq!(mark(5, 12, 1, false).sent_since(before), Some(2));
        assert_eq!(mark(5, 12, 1, true).sent_since(before), Some(2));
        for now in [mark(5, 12, 2, false), mark(0, 12, 1, false), mark(0, 12, 1, true)] {
            assert_eq!(now.sent_since(before), None);
        }
    }
}
