//! Schedules: cron expressions and single instants, in a time zone, into the instants at which they fire.
//!
//! Pure: whoever asks says what time it is. Instants go in and out as unix milliseconds UTC; local time exists only
//! in here. [`next_fires`] and [`Schedule::fires_between`] are what `plan` and the daemon share, [`due`] is what the
//! daemon does with the answer after a pause.
//!
//! **What happens when clocks are changed.** A schedule whose hours are not every hour names *local times*: one that
//! is skipped fires once, at the first instant after the gap (several skipped ones fire once together); one that
//! is repeated fires once, the first time. A schedule of every hour (`0 * * * *`, `*/10 * * * *`) names *real*
//! hours: it fires in each of them, so a repeated hour is served twice and a skipped one not at all. Vixie cron
//! means the same, but tells the two kinds apart by a leading `*` in minutes or hours, and gives up beyond three
//! hours; systemd's timers skip what the gap skips (its issue 5595) and lose the repeated hour (8647).
//!
//! **Invariant:** the fires of a schedule are a set of instants: `fires_between(a, c)` is `fires_between(a, b)` and
//! then `fires_between(b, c)`, wherever b lies.
//!
//! Go next to [`cron`] for the notation, to `fires` for the clock changes, to `zone` for where zones come from.

pub mod cron;
pub mod due;
mod fires;
mod jitter;
mod zone;

use std::sync::Arc;

use jiff::Timestamp;

pub use cron::{Cron, CronError};
pub use zone::{Zone, ZoneError};

/// One entry of `on.schedule`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// When it fires.
    pub when: When,
    /// Where its local times are; UTC if nothing is said.
    pub zone: Zone,
    /// What becomes of fires that were not served in time.
    pub catchup: Catchup,
    /// How late a fire may still be caught up, in milliseconds.
    pub catchup_window_ms: u64,
    /// What happens while the run before is still there.
    pub overlap: Overlap,
    /// Runs are spread over so many milliseconds after the fire; zero for none.
    pub jitter_ms: u64,
}

/// When a schedule fires.
#[derive(Clone, Debug)]
pub enum When {
    /// Again and again.
    Cron(Arc<Cron>),
    /// Once, at this instant (unix milliseconds). The text is kept, because it names the entry.
    At {
        /// Unix milliseconds.
        instant: i64,
        /// As it was written.
        text: Box<str>,
    },
}

/// What becomes of fires that were not served in time, because the daemon or the tenant was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Catchup {
    /// They are recorded as missed.
    None,
    /// The newest starts a run, the others are recorded as missed.
    #[default]
    Latest,
    /// Each starts a run, oldest first.
    All,
}

/// What a fire does while a run that this workflow's schedules started has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// It starts none, which is recorded.
    #[default]
    Skip,
    /// It waits for its turn.
    Queue,
    /// It starts a run beside the other.
    Allow,
    /// It cancels the other and starts.
    CancelRunning,
}

impl Catchup {
    /// Every word.
    pub const ALL: &'static [Self] = &[Self::None, Self::Latest, Self::All];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }
}

impl Overlap {
    /// Every word.
    pub const ALL: &'static [Self] = &[Self::Skip, Self::Queue, Self::Allow, Self::CancelRunning];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
            Self::CancelRunning => "cancel-running",
        }
    }
}

impl Schedule {
    /// What tells it apart from the other entries of its workflow, over all revisions: when and where. A change of
    /// anything else keeps the entry's place in time.
    pub fn key(&self) -> String {
        match &self.when {
            When::Cron(cron) => format!("cron {} {}", cron.as_str(), self.zone.name()),
            When::At { instant, .. } => format!("at {instant}"),
        }
    }

    /// When it fires, as it was written.
    pub fn text(&self) -> &str {
        match &self.when {
            When::Cron(cron) => cron.as_str(),
            When::At { text, .. } => text,
        }
    }

    /// The first fire after an instant, both in unix milliseconds. `None` if there is none within
    /// [`crate::limits::MAX_CRON_YEARS`].
    pub fn next_after(&self, after: i64) -> Option<i64> {
        match &self.when {
            When::At { instant, .. } => (*instant > after).then_some(*instant),
            When::Cron(cron) => {
                // Before and beyond the calendar nothing fires.
                let after = Timestamp::from_millisecond(after).ok()?;
                fires::next(cron, self.zone.rules(), after).map(Timestamp::as_millisecond)
            }
        }
    }

    /// The fires after one instant up to and with another, oldest first. Lazy: it takes what it is asked for.
    pub fn fires_between(&self, after: i64, until: i64) -> impl Iterator<Item = i64> + '_ {
        let first = self.next_after(after);
        std::iter::successors(first, |fire| self.next_after(*fire)).take_while(move |fire| *fire <= until)
    }

    /// The newest fire after one instant up to and with another. Looks from the end, so a long pause costs little.
    pub fn last_between(&self, after: i64, until: i64) -> Option<i64> {
        const MINUTE: i64 = 60_000;
        let mut span = MINUTE;
        loop {
            let from = until.saturating_sub(span).max(after);
            if let Some(last) = self.fires_between(from, until).last() {
                return Some(last);
            }
            if from <= after {
                return None;
            }
            span = span.saturating_mul(30);
        }
    }

    /// How long after its fire the run of a workflow is due, in milliseconds: below [`Schedule::jitter_ms`], and the
    /// same whenever it is asked, so that a restart neither draws again nor forgets.
    pub fn jitter(&self, workflow: &[u8], fire: i64) -> u64 {
        jitter::spread(workflow, fire, self.jitter_ms)
    }
}

/// A fire to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fire {
    /// When, unix milliseconds.
    pub at: i64,
    /// Which schedule, by its position in the list.
    pub entry: usize,
}

/// The next fires of several schedules after an instant, soonest first, at most so many. This is what `plan` shows.
pub fn next_fires(schedules: &[Schedule], after: i64, most: usize) -> Vec<Fire> {
    let next = |entry: usize, after: i64| {
        schedules.get(entry).and_then(|schedule| schedule.next_after(after)).map(|at| Fire { at, entry })
    };
    let mut waiting: Vec<Fire> = (0..schedules.len()).filter_map(|entry| next(entry, after)).collect();
    let mut fires = Vec::new();
    while fires.len() < most {
        let Some((place, fire)) = waiting.iter().copied().enumerate().min_by_key(|(_, fire)| *fire) else {
            break;
        };
        fires.push(fire);
        waiting.swap_remove(place);
        waiting.extend(next(fire.entry, fire.at));
    }
    fires
}

#[cfg(test)]
mod tests;
