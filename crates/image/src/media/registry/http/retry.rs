//! Repeated attempts: which requests are sent again, how often, and after how long.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant, SystemTime};

use super::patience::LeastRate;
use crate::registry::{Patience, RegistryError};

/// How patient the client is.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// How often a request is sent at most.
    pub(crate) attempts: u32,
    /// How long to wait before the second attempt; before each further one twice as long.
    pub(crate) first_wait: Duration,
    /// The longest wait that the client chooses by itself.
    pub(crate) longest_wait: Duration,
    /// The longest wait that it lets a server choose.
    pub(crate) longest_asked: Duration,
    /// How long a connection may take to be there.
    pub(crate) connect: Duration,
    /// How long a connection may be silent.
    pub(crate) idle: Duration,
    /// How long a registry may think about an upload once it has it all.
    pub(crate) digestion: Duration,
    /// The clock by which tokens end.
    pub(crate) now: fn() -> Instant,
    /// How long a document may take, with all attempts.
    pub(crate) document: Duration,
    /// How fast a blob has to move.
    pub(crate) least_rate: LeastRate,
    /// How many bytes of a blob have to come before failed connections are forgotten.
    pub(crate) progress: u64,
    /// When all attempts must have ended, if they are for one document.
    pub(crate) end: Option<Instant>,
}

impl Pace {
    /// Takes the user's `patience`, and usual values for the rest.
    pub(crate) fn of(patience: Patience) -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
            longest_asked: Duration::from_secs(60),
            connect: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            digestion: Duration::from_secs(300),
            now: Instant::now,
            document: patience.documents,
            least_rate: LeastRate { bytes: patience.least_rate, window: Duration::from_secs(60) },
            progress: 64 << 10,
            end: None,
        }
    }

    /// Returns the same for one document, whose time begins now.
    pub(crate) fn for_document(&self) -> Self {
        Self { end: Some(Instant::now() + self.document), ..self.clone() }
    }

    /// Returns when a document's body must have come, or the body of a refusal.
    pub(crate) fn end_of_document(&self) -> Instant {
        self.end.unwrap_or_else(|| Instant::now() + self.document)
    }

    /// Returns how long to wait for a step that may take `limit` by itself.
    pub(crate) fn within(&self, limit: Duration) -> Duration {
        self.end.map_or(limit, |end| end.saturating_duration_since(Instant::now()).min(limit))
    }

    /// Tells whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some_and(|end| end <= Instant::now())
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::of(Patience::default())
    }
}

/// A failed attempt, and whether another one may do better.
#[derive(Debug)]
pub(crate) struct Failure {
    error: RegistryError,
    again: Again,
}

/// Whether and when an attempt is made again.
#[derive(Clone, Copy, Debug)]
enum Again {
    Never,
    AtOnce,
    Later { asked: Option<Duration> },
}

impl Failure {
    /// Another attempt may do better, after the wait that the server asked for or one of our own.
    pub(crate) fn passing(error: RegistryError, asked: Option<Duration>) -> Self {
        Self { error, again: Again::Later { asked } }
    }

    /// Another attempt may do better and need not wait.
    pub(crate) fn at_once(error: RegistryError) -> Self {
        Self { error, again: Again::AtOnce }
    }

    /// Returns the error, where no other attempt is made.
    pub(crate) fn into_error(self) -> RegistryError {
        self.error
    }

    /// Returns the status that was the answer, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self.error {
            RegistryError::Status { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl<E: Into<RegistryError>> From<E> for Failure {
    /// Another attempt would fail as well.
    fn from(error: E) -> Self {
        Self { error: error.into(), again: Again::Never }
    }
}

impl Pace {
    /// Makes attempts until one succeeds, one fails for good, or there were enough.
    pub(crate) async fn persist<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, RegistryError> {
        let mut failed = 0;
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(failure) => self.wait_after(failure, &mut failed).await?,
            }
        }
    }

    /// Counts a failure in `failed` and waits until the next attempt is due.
    ///
    /// # Errors
    /// The failure's own, if there may be no further attempt, or no time is left for one.
    pub(crate) async fn wait_after(
        &self,
        failure: Failure,
        failed: &mut u32,
    ) -> Result<(), RegistryError> {
        *failed += 1;
        if *failed >= self.attempts {
            return Err(failure.error);
        }
        let wait = match failure.again {
            Again::Never => return Err(failure.error),
            Again::AtOnce => return Ok(()),
            Again::Later { asked: Some(asked) } => asked.min(self.longest_asked),
            Again::Later { asked: None } => self.own_wait(*failed),
        };
        if self.within(wait) < wait {
            return Err(failure.error);
        }
        tracing::debug!(error = %failure.error, ?wait, "trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Returns how long to wait after `failed` failures. The time doubles with each. A random part, up
    /// to half of it, is left out, so that many clients do not come back together.
    fn own_wait(&self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(16);
        let whole = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        // The standard library's hashes are seeded at random, and that is random enough here.
        let random = RandomState::new().build_hasher().finish() % 1000;
        whole / 2 + (whole / 2).mul_f64(random as f64 / 1000.0)
    }
}

/// Tells whether an answer of this status may be another one at the next attempt.
///
/// 499 and those from 520 on are of gateways. They say that the client or the registry behind them hung up,
/// or that the registry could not be reached. Where the registry's certificate is wrong (525, 526), it will
/// be wrong again.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 499 | 500 | 502..=504 | 520..=524)
}

/// Reads a `Retry-After` header: seconds, or a date to compare with `now`. RFC 9110, section 10.2.3.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let pace = Pace::default();
        for (failed, whole) in [(1, 500), (2, 1000), (3, 2000), (5, 8000), (6, 10000), (99, 10000)]
        {
            let wait = pace.own_wait(failed).as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{failed}: {wait}");
        }
        let waits: std::collections::HashSet<_> = (0..50).map(|_| pace.own_wait(6)).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("99999999999999999999999", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(parse_retry_after(value, now), expected, "{value}");
        }
    }
}
