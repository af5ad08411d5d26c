//! Patience: how long the other side of a connection may take, and how the client measures that.
//!
//! Only the time counts in which the client waits for the other side, not the time of its own readers and
//! writers.

use std::time::Duration;

/// How long a registry, and a token server that it names, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one document may take with all attempts: a manifest, a config, a token, and every other
    /// short answer.
    pub documents: Duration,
    /// How many bytes of a blob have to come or go in a second, on the average of a minute. With 0 any
    /// number is enough.
    pub least_rate: u64,
}

impl Default for Patience {
    /// Five minutes, and 1 KiB a second, a tenth of a modem's rate.
    fn default() -> Self {
        Self { documents: Duration::from_secs(300), least_rate: 1 << 10 }
    }
}

/// The least rate at which a blob has to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeastRate {
    /// Bytes a second.
    pub(crate) bytes: u64,
    /// The time over which the average is taken.
    pub(crate) window: Duration,
}

impl LeastRate {
    /// Tells whether `bytes` bytes are too few for the time `waited`.
    pub(crate) fn is_missed(self, bytes: u64, waited: Duration) -> bool {
        u128::from(bytes) * 1000 < u128::from(self.bytes) * waited.as_millis()
    }
}

/// Measures how fast the bytes of one blob come, over all of its connections.
pub(crate) struct Gauge {
    least: LeastRate,
    waited: Duration,
    bytes: u64,
}

impl Gauge {
    /// Begins with nothing.
    pub(crate) fn new(least: LeastRate) -> Self {
        Self { least, waited: Duration::ZERO, bytes: 0 }
    }

    /// Counts bytes that came after a wait for them. Tells whether the least rate is kept, which shows at
    /// the end of each window.
    #[must_use]
    pub(crate) fn count(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.least.window {
            return true;
        }
        let is_kept = !self.least.is_missed(self.bytes, self.waited);
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(bytes: u64) -> Gauge {
        Gauge::new(LeastRate { bytes, window: Duration::from_secs(60) })
    }

    #[test]
    fn one_byte_every_three_seconds_is_noticed_after_a_minute() {
        let mut gauge = gauge(1 << 10);
        let kept = (0..100).take_while(|_| gauge.count(Duration::from_secs(3), 1)).count();
        assert_eq!(kept, 19);
    }

    #[test]
    fn slow_line_that_moves_is_kept_for_as_long_as_it_takes() {
        let mut gauge = gauge(1 << 10);
        // 20 GB at 10 KiB a second, and a pause of 50 s now and then.
        for second in 0..2_000_000 {
            let pause = if second % 1000 == 0 { 50 } else { 1 };
            assert!(gauge.count(Duration::from_secs(pause), 10 << 10), "{second}");
        }
    }

    #[test]
    fn time_in_which_nobody_waited_does_not_count() {
        let mut gauge = gauge(1 << 20);
        // A reader that takes an hour for each byte finds that the next one has come already.
        assert!((0..1000).all(|_| gauge.count(Duration::ZERO, 1)));
    }

    #[test]
    fn rate_of_nothing_is_always_kept() {
        let mut gauge = gauge(0);
        assert!((0..100).all(|_| gauge.count(Duration::from_secs(3000), 0)));
    }
}
