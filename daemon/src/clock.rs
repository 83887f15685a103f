//! Time. This room is the only one that asks the operating system what time it is and the only one that sleeps.
//!
//! Wall-clock times are unix milliseconds UTC, because that is what is stored and sent. Durations are measured
//! between two [`Moment`]s, because the wall clock jumps. Tests hold a manual clock and advance it by hand.
//!
//! **Invariant:** nobody else reads a clock; `daemon/clippy.toml` locks the other doors.

use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The longest single sleep of [`Clock::sleep_until_ms`], hence the longest a jump of the wall clock goes unnoticed.
const JUMP_CHECK: Duration = Duration::from_secs(1);

/// A source of time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    start_ms: i64,
    elapsed_ms: watch::Sender<u64>,
}

/// A point on a clock that never jumps. Only the distance between two moments of one clock means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The time between `earlier` and this moment; zero where `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// A [`Clock::timeout`] ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not done within {0:?}")]
pub struct TimedOut(pub Duration);

impl Clock {
    /// The clock of the machine.
    pub const fn system() -> Self {
        Self { source: Source::System }
    }

    /// A clock that stands still at `start_ms` (unix milliseconds) until [`Clock::advance`] moves it.
    pub fn manual(start_ms: i64) -> Self {
        Self { source: Source::Manual(Arc::new(Manual { start_ms, elapsed_ms: watch::Sender::new(0) })) }
    }

    /// Moves a manual clock forward and wakes whoever sleeps on it. The machine's clock is not moved.
    pub fn advance(&self, ms: u64) {
        if let Source::Manual(manual) = &self.source {
            manual.elapsed_ms.send_modify(|elapsed| *elapsed = elapsed.saturating_add(ms));
        }
    }

    /// Now, in unix milliseconds UTC.
    pub fn now_ms(&self) -> i64 {
        match &self.source {
            Source::System => system_now_ms(),
            Source::Manual(manual) => manual.start_ms.saturating_add_unsigned(*manual.elapsed_ms.borrow()),
        }
    }

    /// Now, for measuring durations.
    pub fn instant(&self) -> Moment {
        match &self.source {
            Source::System => Moment(system_uptime()),
            Source::Manual(manual) => Moment(Duration::from_millis(*manual.elapsed_ms.borrow())),
        }
    }

    /// The time that has passed since `earlier`.
    pub fn elapsed(&self, earlier: Moment) -> Duration {
        self.instant().since(earlier)
    }

    /// Sleeps for the span.
    pub async fn sleep(&self, span: Duration) {
        match &self.source {
            Source::System => system_sleep(span).await,
            Source::Manual(manual) => {
                let due = self.instant() + span;
                let reached = |elapsed: &u64| Duration::from_millis(*elapsed) >= due.0;
                wait_for(&manual.elapsed_ms, reached).await;
            }
        }
    }

    /// Sleeps until the wall clock shows `due_ms` or later; follows jumps of the wall clock within a second.
    pub async fn sleep_until_ms(&self, due_ms: i64) {
        loop {
            let missing = due_ms.saturating_sub(self.now_ms());
            let Ok(missing @ 1..) = u64::try_from(missing) else { return };
            self.sleep(Duration::from_millis(missing).min(JUMP_CHECK)).await;
        }
    }

    /// Waits for the future, at most for `limit`. The future is dropped when the time is over.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, TimedOut> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep(limit) => Err(TimedOut(limit)),
        }
    }
}

async fn wait_for(elapsed_ms: &watch::Sender<u64>, reached: impl FnMut(&u64) -> bool) {
    if elapsed_ms.subscribe().wait_for(reached).await.is_err() {
        // The sender lives as long as the clock that is being slept on.
        std::future::pending::<()>().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn system_uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
async fn system_sleep(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_moved() {
        let clock = Clock::manual(1_000);
        let start = clock.instant();
        assert_eq!(clock.now_ms(), 1_000);
        clock.advance(250);
        assert_eq!(clock.now_ms(), 1_250);
        assert_eq!(clock.elapsed(start), Duration::from_millis(250));
    }

    #[tokio::test]
    async fn a_sleeper_on_a_manual_clock_wakes_when_its_time_has_come() {
        let clock = Clock::manual(0);
        let mut sleeper = std::pin::pin!(clock.sleep_until_ms(5_000));
        for _ in 0..4 {
            assert!(futures_util::poll!(&mut sleeper).is_pending());
            clock.advance(1_000);
        }
        assert!(futures_util::poll!(&mut sleeper).is_pending());
        clock.advance(1_000);
        sleeper.await;
        assert_eq!(clock.now_ms(), 5_000);
    }

    #[tokio::test]
    async fn a_time_in_the_past_is_not_waited_for() {
        Clock::manual(10).sleep_until_ms(-5).await;
        Clock::system().sleep_until_ms(i64::MIN).await;
    }

    #[tokio::test]
    async fn a_timeout_drops_what_is_too_slow_and_returns_what_is_ready() {
        let clock = Clock::manual(0);
        assert_eq!(clock.timeout(Duration::from_secs(1), async { 7 }).await, Ok(7));
        let limit = Duration::from_secs(1);
        let mut slow = std::pin::pin!(clock.timeout(limit, std::future::pending::<()>()));
        assert!(futures_util::poll!(&mut slow).is_pending());
        clock.advance(1_000);
        assert_eq!(slow.await, Err(TimedOut(limit)));
    }

    #[test]
    fn the_machine_clock_goes_forward() {
        let clock = Clock::system();
        let earlier = clock.instant();
        assert!(clock.now_ms() > 1_600_000_000_000);
        assert!(clock.instant() >= earlier);
    }
}
