//! What waits for a file's writer: one queue a lane, and when the file should be served next.

use std::collections::VecDeque;
use std::time::Duration;

use super::Lane;
use super::work::Work;
use crate::clock::Moment;

/// Closures taken from one lane before the next lane has its turn.
const TURN: usize = 8;

/// The queues of a file.
#[derive(Default)]
pub(super) struct Lanes {
    queues: [VecDeque<Box<dyn Work>>; Lane::ALL.len()],
    /// Whose turn it is.
    turn: usize,
}

/// What was taken out of the lanes.
pub(super) struct Taken {
    pub(super) works: VecDeque<Box<dyn Work>>,
    /// How many of them from each lane.
    pub(super) counts: [usize; Lane::ALL.len()],
}

impl Lanes {
    pub(super) fn push(&mut self, lane: Lane, work: Box<dyn Work>) {
        if let Some(queue) = self.queues.get_mut(lane.index()) {
            queue.push_back(work);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    pub(super) fn waiting(&self) -> [usize; Lane::ALL.len()] {
        self.queues.each_ref().map(VecDeque::len)
    }

    /// Takes up to `limit` closures, a few from each lane by turns, in the order of each lane.
    pub(super) fn take(&mut self, limit: usize) -> Taken {
        let total: usize = self.queues.iter().map(VecDeque::len).sum();
        let mut taken =
            Taken { works: VecDeque::with_capacity(total.min(limit)), counts: [0; Lane::ALL.len()] };
        while taken.works.len() < limit.min(total) {
            let lane = self.turn;
            self.turn = (lane + 1) % Lane::ALL.len();
            let (Some(queue), Some(count)) = (self.queues.get_mut(lane), taken.counts.get_mut(lane)) else {
                continue;
            };
            let share = TURN.min(queue.len()).min(limit - taken.works.len());
            *count += share;
            taken.works.extend(queue.drain(..share));
        }
        taken
    }
}

/// The batch size that is worth waiting for when closures come fast.
const WORTH: f64 = 32.0;
/// The longest that a commit is held back to let a batch gather.
const GATHER: Duration = Duration::from_micros(2_500);
/// Below so many closures a second, a commit is never held back: each one is on disk as soon as the disk allows.
const FAST: f64 = 1_000.0;
/// How much the newest batch weighs in the rate.
const NEWEST: f64 = 0.25;

/// How fast closures come, and so how long to let them gather. Many closures in one commit share its pages and
/// its sync; a lone closure must not wait for company.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    last: Moment,
    /// Closures a second.
    rate: f64,
}

impl Pace {
    pub(super) const fn new(now: Moment) -> Self {
        Self { last: now, rate: 0.0 }
    }

    /// Notes that a batch was taken.
    pub(super) fn took(&mut self, count: usize, now: Moment) {
        let span = now.since(self.last).max(Duration::from_micros(50)).as_secs_f64();
        self.rate += NEWEST * (count as f64 / span - self.rate);
        self.last = now;
    }

    /// When the next batch should be taken, for a closure that came now.
    pub(super) fn due(&self, now: Moment) -> Moment {
        if self.rate < FAST {
            return now;
        }
        let gather = Duration::from_secs_f64(WORTH / self.rate).min(GATHER);
        (self.last + gather).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::work::pending;
    use super::*;
    use crate::clock::Clock;

    fn filled(counts: [usize; Lane::ALL.len()]) -> Lanes {
        let mut lanes = Lanes::default();
        for (lane, count) in Lane::ALL.into_iter().zip(counts) {
            for _ in 0..count {
                lanes.push(lane, pending(|_| Ok(())).0);
            }
        }
        lanes
    }

    #[test]
    fn a_flood_in_one_lane_leaves_every_other_lane_its_place_in_the_next_batch() {
        let mut lanes = filled([10_000, 0, 3, 1, 5]);
        assert_eq!(lanes.take(128).counts, [128 - 9, 0, 3, 1, 5]);
        assert_eq!(lanes.take(128).counts, [128, 0, 0, 0, 0]);
        assert_eq!(lanes.waiting(), [10_000 - 256 + 9, 0, 0, 0, 0]);
    }

    #[test]
    fn full_lanes_share_a_batch() {
        let taken = filled([500; Lane::ALL.len()]).take(80);
        assert_eq!(taken.counts, [16; Lane::ALL.len()]);
    }

    #[test]
    fn a_batch_smaller_than_a_turn_still_moves_on_to_the_next_lane() {
        let mut lanes = filled([100, 100, 0, 0, 0]);
        assert_eq!(lanes.take(1).counts, [1, 0, 0, 0, 0]);
        assert_eq!(lanes.take(1).counts, [0, 1, 0, 0, 0]);
    }

    #[test]
    fn a_lone_closure_is_due_at_once_and_a_stream_gathers_for_a_bounded_time() {
        let clock = Clock::manual(0);
        let start = clock.instant();
        let mut pace = Pace::new(start);
        assert_eq!(pace.due(start), start);
        let mut now = start;
        for _ in 0..50 {
            now = now + Duration::from_millis(1);
            pace.took(5, now);
        }
        let due = pace.due(now);
        assert!(due > now && due.since(now) <= GATHER, "{due:?}");
        let later = now + Duration::from_secs(1);
        assert_eq!(pace.due(later), later);
        pace.took(1, later);
        pace.took(1, later + Duration::from_secs(1));
        assert!(pace.rate < 5_000.0, "{pace:?}");
    }
}
