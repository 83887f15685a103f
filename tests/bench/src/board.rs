//! What was sent and what has arrived: the one place where both ends of a run meet.
//!
//! Every event carries a number of ten digits, its lane first. The generator notes when it was sent, the receiver
//! finds the number in the notification and takes the note away. **Invariant:** a number is counted once; a second
//! arrival is a repeat, and one that was never sent is a stranger. Both are told in the report.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;

/// Digits of a number on the wire.
pub(crate) const DIGITS: usize = 10;
/// One lane's numbers.
const LANE: u64 = 1_000_000_000;
/// Events of one process.
const CAPACITY: usize = 8 << 20;

/// Why an event was sent: what is measured is told apart from what only makes load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Warms up, or makes load.
    Load,
    /// Is measured.
    Probe,
    /// Waits for room: a notification that arrives gives a permit back.
    Bounded,
}

/// One lane's counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Answered with 202.
    pub(crate) accepted: AtomicU64,
    /// Answered with anything else.
    pub(crate) refused: AtomicU64,
    /// Notified.
    pub(crate) completed: AtomicU64,
}

/// Microseconds, up to two minutes.
#[derive(Debug)]
pub(crate) struct Times(Mutex<Histogram<u64>>);

impl Times {
    fn new() -> Result<Self, hdrhistogram::CreationError> {
        Histogram::new_with_bounds(1, 120_000_000, 3).map(|times| Self(Mutex::new(times)))
    }

    fn lock(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, took: Duration) {
        self.lock().saturating_record((took.as_micros() as u64).max(1));
    }

    /// What was noted since the last time it was taken.
    pub(crate) fn take(&self) -> Summary {
        let mut times = self.lock();
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
        let summary = Summary { count: times.len(), p50: at(0.50), p99: at(0.99), max: at(1.0) };
        times.reset();
        summary
    }
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

#[derive(Debug)]
pub(crate) struct Board {
    origin: Instant,
    next: AtomicU64,
    /// Microseconds after `origin`, by number; 0 for none.
    sent: Box<[AtomicU64]>,
    lanes: [Counts; 3],
    /// Requests of steps.
    pub(crate) actions: AtomicU64,
    /// Numbers that arrived more than once, or were never sent.
    pub(crate) repeats: AtomicU64,
    /// From the sent request to the notification, of the lane `Probe`.
    pub(crate) end_to_end: Times,
    /// From the sent request to its answer, of the lane `Probe`.
    pub(crate) accept: Times,
    /// From the commit of a test notification to its arrival.
    pub(crate) delivery: Times,
    /// Room for runs of the lane `Bounded`.
    pub(crate) room: Semaphore,
}

impl Board {
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let sent = std::iter::repeat_with(AtomicU64::default).take(CAPACITY).collect();
        Ok(Self {
            origin: Instant::now(),
            next: AtomicU64::new(1),
            sent,
            lanes: Default::default(),
            actions: AtomicU64::default(),
            repeats: AtomicU64::default(),
            end_to_end: Times::new()?,
            accept: Times::new()?,
            delivery: Times::new()?,
            room: Semaphore::new(0),
        })
    }

    pub(crate) fn counts(&self, lane: Lane) -> &Counts {
        &self.lanes[lane as usize]
    }

    /// Accepted but not notified.
    pub(crate) fn outstanding(&self) -> u64 {
        let open = |c: &Counts| c.accepted.load(Relaxed).saturating_sub(c.completed.load(Relaxed));
        self.lanes.iter().map(open).sum()
    }

    /// All that were notified.
    pub(crate) fn completed(&self) -> u64 {
        self.lanes.iter().map(|c| c.completed.load(Relaxed)).sum()
    }

    /// A new number that is sent now; `None` when all are used.
    pub(crate) fn send(&self, lane: Lane) -> Option<u64> {
        let number = self.next.fetch_add(1, Relaxed);
        let slot = self.sent.get(number as usize)?;
        slot.store((self.origin.elapsed().as_micros() as u64).max(1), Relaxed);
        Some(lane as u64 * LANE + number)
    }

    /// A notification that names this number has arrived.
    pub(crate) fn arrived(&self, text: u64) {
        let (lane, number) = (text / LANE, text % LANE);
        let sent = self.sent.get(number as usize).map_or(0, |slot| slot.swap(0, Relaxed));
        let lane = match lane {
            0 => Lane::Load,
            1 => Lane::Probe,
            _ => Lane::Bounded,
        };
        if sent == 0 {
            self.repeats.fetch_add(1, Relaxed);
            return;
        }
        self.counts(lane).completed.fetch_add(1, Relaxed);
        match lane {
            Lane::Load => {}
            Lane::Probe => {
                let took = self.origin.elapsed().saturating_sub(Duration::from_micros(sent));
                self.end_to_end.note(took);
            }
            Lane::Bounded => self.room.add_permits(1),
        }
    }

    /// A test notification of this time (unix milliseconds) has arrived.
    pub(crate) fn delivered(&self, created_ms: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.delivery.note(now.saturating_sub(Duration::from_millis(created_ms)));
    }
}
