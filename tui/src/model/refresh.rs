//! When to read again: soon after something changed, at most once a second, later and later while it fails.

/// At most one read begins within this time; milliseconds.
pub const INTERVAL_MS: i64 = 1_000;
/// The longest wait between two reads that fail; milliseconds.
pub const RETRY_LIMIT_MS: i64 = 30_000;

/// The state of one kind of read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    wanted: bool,
    in_flight: bool,
    began_at: Option<i64>,
    succeeded_at: Option<i64>,
    failures: u32,
}

impl Refresh {
    /// What is shown may be out of date.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// As [`Refresh::want`], and without waiting: a person asked.
    pub fn want_now(&mut self) {
        self.wanted = true;
        self.began_at = None;
    }

    /// Whether to begin a read now; then it has begun.
    pub fn begin(&mut self, now: i64) -> bool {
        let due = self.due(now).is_some_and(|at| at <= now);
        if due {
            self.wanted = false;
            self.in_flight = true;
            self.began_at = Some(now);
        }
        due
    }

    /// When a read is to begin; `None` if none is wanted or one is under way. Unix milliseconds.
    pub fn due(&self, now: i64) -> Option<i64> {
        if !self.wanted || self.in_flight {
            return None;
        }
        // A clock that was set back must not put the next read off by more than the interval.
        Some(self.began_at.map_or(now, |began| began.min(now) + self.interval()))
    }

    /// The read under way succeeded.
    pub fn succeeded(&mut self, now: i64) {
        self.in_flight = false;
        self.failures = 0;
        self.succeeded_at = Some(now);
    }

    /// The read under way failed: it is wanted again.
    pub fn failed(&mut self) {
        self.in_flight = false;
        self.wanted = true;
        self.failures = self.failures.saturating_add(1);
    }

    /// Since when what is shown could not be read; `None` while reads succeed. Unix milliseconds.
    pub fn stale_since(&self) -> Option<i64> {
        if self.failures > 0 { self.succeeded_at } else { None }
    }

    /// When a read succeeded last; unix milliseconds.
    pub const fn succeeded_at(&self) -> Option<i64> {
        self.succeeded_at
    }

    fn interval(&self) -> i64 {
        (INTERVAL_MS << self.failures.min(5)).min(RETRY_LIMIT_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_coalesced() {
        let mut refresh = Refresh::default();
        assert_eq!(refresh.due(0), None);
        refresh.want();
        assert!(refresh.begin(10_000));
        refresh.want();
        assert!(!refresh.begin(10_001), "one at a time");
        refresh.succeeded(10_002);
        assert!(!refresh.begin(10_999));
        assert_eq!(refresh.due(10_999), Some(11_000));
        assert!(refresh.begin(11_000));
        refresh.succeeded(11_001);
        assert_eq!(refresh.due(11_001), None, "nothing is wanted: nobody is woken");
    }

    #[test]
    fn failures_wait_longer_up_to_a_limit() {
        let mut refresh = Refresh::default();
        let mut now = 0;
        for wait in [2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            refresh.want();
            assert!(refresh.begin(now));
            refresh.failed();
            assert_eq!(refresh.due(now), Some(now + wait));
            now += wait;
        }
        refresh.want_now();
        assert!(refresh.begin(now - 1), "a person does not wait");
    }

    #[test]
    fn a_clock_set_back_does_not_stop_reads() {
        let mut refresh = Refresh::default();
        refresh.want();
        assert!(refresh.begin(1_000_000));
        refresh.succeeded(1_000_000);
        refresh.want();
        assert_eq!(refresh.due(5_000), Some(6_000));
    }
}
