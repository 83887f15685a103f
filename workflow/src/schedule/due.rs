//! What a look at a schedule after a pause decides: which fires start runs, which are missed, when to look again.
//!
//! The pause is usually nothing: the daemon looks at the instant a fire is due. After a stop, or when the wall clock
//! jumps, it is long, and the schedule's `catchup` decides. The place in time is a cursor: the last fire that was
//! decided about.
//!
//! **Invariant:** a fire is decided once: it is in `start` or counted in `missed`, and the new cursor is not before
//! it. A cursor that lies ahead of the clock, which was set back then, is taken back to now; whoever starts runs
//! must therefore know a fire that has started one.

use super::{Catchup, Schedule};
use crate::limits::{MAX_FIRES_AT_ONCE, MAX_MISSED_COUNTED};

/// How late a fire may be and still be on time, in milliseconds. A restart takes seconds, and nobody who says
/// `catchup: none` means those.
pub const ON_TIME_MS: i64 = 60_000;

/// What is to be done about a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The fires that start runs, oldest first, at most [`MAX_FIRES_AT_ONCE`]; unix milliseconds.
    pub start: Vec<i64>,
    /// The fires that are given up.
    pub missed: Option<Missed>,
    /// The last fire that was decided about, or where the cursor was if there is none.
    pub cursor: i64,
    /// When to look again, unix milliseconds. `None` if the schedule has no more fires.
    pub next: Option<i64>,
}

/// Fires that are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How many, counted up to [`MAX_MISSED_COUNTED`].
    pub count: u32,
    /// The oldest, unix milliseconds.
    pub first: i64,
    /// The newest, unix milliseconds.
    pub last: i64,
}

/// What is to be done at `now` about a schedule of a workflow, given its cursor.
pub fn due(schedule: &Schedule, workflow: &[u8], cursor: i64, now: i64) -> Due {
    let mut look = Look { schedule, workflow, now, cursor: cursor.min(now), missed: None, start: Vec::new() };
    look.pass_over_old();
    let full = look.take_due();
    let next = if full { Some(now) } else { look.next() };
    Due { start: look.start, missed: look.missed, cursor: look.cursor, next }
}

struct Look<'s> {
    schedule: &'s Schedule,
    workflow: &'s [u8],
    now: i64,
    cursor: i64,
    missed: Option<Missed>,
    start: Vec<i64>,
}

impl Look<'_> {
    fn window(&self) -> i64 {
        i64::try_from(self.schedule.catchup_window_ms).unwrap_or(i64::MAX)
    }

    /// How late a fire may be, beyond the time over which runs are spread, and start a run whatever other fires
    /// there are.
    fn patience(&self) -> i64 {
        match self.schedule.catchup {
            Catchup::None | Catchup::Latest => ON_TIME_MS,
            Catchup::All => self.window().max(ON_TIME_MS),
        }
    }

    fn due_at(&self, fire: i64) -> i64 {
        fire.saturating_add_unsigned(self.schedule.jitter(self.workflow, fire))
    }

    /// Gives up what is older than any patience without looking at each: after a year there may be millions.
    fn pass_over_old(&mut self) {
        let old = self.now.saturating_sub(self.patience()).saturating_sub(1);
        let old = old.saturating_sub_unsigned(self.schedule.jitter_ms);
        let most = usize::try_from(MAX_MISSED_COUNTED).unwrap_or(usize::MAX);
        for fire in self.schedule.fires_between(self.cursor, old).take(most) {
            let missed = self.missed.get_or_insert(Missed { count: 0, first: fire, last: fire });
            missed.count += 1;
            missed.last = fire;
        }
        let Some(missed) = &mut self.missed else { return };
        if missed.count == MAX_MISSED_COUNTED {
            missed.last = self.schedule.last_between(missed.last, old).unwrap_or(missed.last);
        }
        self.cursor = missed.last;
    }

    /// Starts the fires that are left, one by one; whether there are more than may be started at once.
    fn take_due(&mut self) -> bool {
        let schedule = self.schedule;
        for fire in schedule.fires_between(self.cursor, self.now) {
            let due = self.due_at(fire);
            // Fires keep their order, even where their delays do not.
            if due > self.now {
                break;
            }
            if self.start.len() >= MAX_FIRES_AT_ONCE {
                return true;
            }
            self.cursor = fire;
            self.start.push(fire);
        }
        self.redeem_latest();
        false
    }

    /// `latest`: the newest of those that came too late starts, unless one that is on time does.
    fn redeem_latest(&mut self) {
        if self.schedule.catchup != Catchup::Latest || !self.start.is_empty() {
            return;
        }
        let Some(missed) = self.missed else { return };
        let late = self.now.saturating_sub(missed.last).saturating_sub_unsigned(self.schedule.jitter_ms);
        if late > self.window() {
            return;
        }
        self.start.push(missed.last);
        let before =
            self.schedule.last_between(missed.first.saturating_sub(1), missed.last.saturating_sub(1));
        // A count that is full stays so: there are at least as many.
        let count = if missed.count == MAX_MISSED_COUNTED { missed.count } else { missed.count - 1 };
        self.missed = before.map(|last| Missed { count, last, ..missed });
    }

    fn next(&self) -> Option<i64> {
        self.schedule.next_after(self.cursor).map(|fire| self.due_at(fire))
    }
}
