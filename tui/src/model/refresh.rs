//! When to read again: soon after something changed, at most once a second, later and later while it fails.

/// At most one read begins within this time; milliseconds.
pub const INTERVAL_MS: i64 = 1_000;
/// A change seldom comes alone: a read waits this long for the others; milliseconds.
pub const GATHER_MS: i64 = 150;
/// The longest wait between two reads that fail; milliseconds.
pub const RETRY_LIMIT_MS: i64 = 30_000;

/// The state of one kind of read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    /// Since when.
    wanted: Option<i64>,
    in_flight: bool,
    began_at: Option<i64>,
    succeeded_at: Option<i64>,
    failures: u32,
}

impl Refresh {
    /// What is shown may be out of date.
    pub fn want(&mut self, now: i64) {
        self.wanted.get_or_insert(now);
    }

    /// As [`Refresh::want`], and without waiting: a person asked.
    pub fn want_now(&mut self) {
        self.wanted = Some(i64::MIN);
        self.began_at = None;
    }

    /// Whether to begin a read now; then it has begun.
    pub fn begin(&mut self, now: i64) -> bool {
        let due = self.due(now).is_some_and(|at| at <= now);
        if due {
            self.wanted = None;
            self.in_flight = true;
            self.began_at = Some(now);
        }
        due
    }

    /// When a read is to begin; `None` if none is wanted or one is under way. Unix milliseconds.
    pub fn due(&self, now: i64) -> Option<i64> {
        let wanted = self.wanted.filter(|_| !self.in_flight)?;
        // A clock that was set back must not put the next read off by more than the waits.
        let gathered = wanted.min(now).saturating_add(GATHER_MS);
        let rested = self.began_at.map_or(i64::MIN, |began| began.min(now).saturating_add(self.interval()));
        Some(gathered.max(rested))
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
        self.wanted = Some(i64::MIN);
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
        refresh.want(10_000);
        refresh.want(10_100);
        assert!(!refresh.begin(10_149), "others may follow");
        assert!(refresh.begin(10_150));
        refresh.want(10_151);
        assert!(!refresh.begin(10_500), "one at a time");
        refresh.succeeded(10_500);
        assert!(!refresh.begin(11_149));
        assert_eq!(refresh.due(11_149), Some(11_150));
        assert!(refresh.begin(11_150));
        refresh.succeeded(11_151);
        assert_eq!(refresh.due(11_151), None, "nothing is wanted: nobody is woken");
    }

    #[test]
    fn failures_wait_longer_up_to_a_limit() {
        let mut refresh = Refresh::default();
        refresh.want_now();
        let mut now = 0;
        for wait in [2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
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
        refresh.want_now();
        assert!(refresh.begin(1_000_000));
        refresh.succeeded(1_000_000);
        refresh.want(1_000_000);
        assert_eq!(refresh.due(5_000), Some(6_000));
    }
}
