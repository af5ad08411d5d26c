//! Connections that have not authenticated themselves. Their number is bounded. The oldest gives way to a new
//! one, so that no client keeps others out by being silent.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

/// How many may wait. A handshake takes milliseconds, so that an honest one is over long before so many
/// others have come.
const MAX_WAITING: usize = 256;

/// The connections that wait, the oldest first. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    next: u64,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// A place among the waiting connections. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    among: Waiting,
    /// Ends when another connection gets the place.
    given_up: oneshot::Receiver<()>,
}

impl Waiting {
    /// Takes a place, which may be the oldest connection's.
    pub(super) fn enter(&self) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while places.waiting.len() >= MAX_WAITING {
            // Its receiver sees the end.
            places.waiting.pop_front();
        }
        let (number, (sender, given_up)) = (places.next, oneshot::channel());
        places.next += 1;
        places.waiting.push_back((number, sender));
        Place { number, among: self.clone(), given_up }
    }
}

impl Place {
    /// Returns the result of `greeting`, or `None` if another connection gets the place before.
    pub(super) async fn keep_for<T>(mut self, greeting: impl Future<Output = T>) -> Option<T> {
        match select(pin!(greeting), &mut self.given_up).await {
            Either::Left((greeted, _)) => Some(greeted),
            Either::Right(_) => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.among.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.waiting.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn oldest_gives_way_and_a_place_that_was_left_is_free() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let waiting = Waiting::default();
            let mut places: VecDeque<_> = (0..MAX_WAITING).map(|_| waiting.enter()).collect();
            // One connection is done; the next one gets its place.
            assert_eq!(places.pop_back().unwrap().keep_for(ready(7)).await, Some(7));
            let kept = waiting.enter();
            assert_eq!(waiting.0.lock().unwrap().waiting.len(), MAX_WAITING);
            let newest = waiting.enter();
            assert_eq!(places.pop_front().unwrap().keep_for(pending::<()>()).await, None);
            for place in [places.pop_front().unwrap(), kept, newest] {
                assert_eq!(place.keep_for(ready(())).await, Some(()));
            }
        });
    }
}
