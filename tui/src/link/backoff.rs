//! How long to wait before the next connect: doubling, up to a limit, back to the start once something came through.

use std::time::Duration;

/// The first wait.
pub const FIRST: Duration = Duration::from_millis(250);
/// The longest wait.
pub const LIMIT: Duration = Duration::from_secs(10);

/// How often in a row connecting failed.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Whether nothing has failed since something came through.
    pub const fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// Something came through.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure that is tried again without waiting.
    pub const fn spend(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Counts a failure; how long to wait.
    pub fn after_failure(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(16)).min(LIMIT);
        self.spend();
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_over() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.after_failure().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        backoff.reset();
        assert_eq!(backoff.after_failure(), FIRST);
    }
}
