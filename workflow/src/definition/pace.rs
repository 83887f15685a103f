//! When a run begins, beside others of its workflow, and how long it is kept. Decided in [`crate::pace`].

use crate::expression::Template;

/// What holds a run back; nothing by default.
#[derive(Debug, Default)]
pub struct Pace {
    /// How many runs of a group go on at once.
    pub concurrency: Option<Concurrency>,
    /// How many runs begin in a time.
    pub throttle: Option<Throttle>,
    /// Only the last of many events starts a run. Never together with `batch`.
    pub debounce: Option<Debounce>,
    /// One run takes many events.
    pub batch: Option<Batch>,
}

/// A limit on runs that go on at once. A group belongs to one workflow.
#[derive(Debug)]
pub struct Concurrency {
    /// Evaluated on what the workflow's `if` sees; without one, all runs of the workflow are one group.
    pub group: Option<Template>,
    /// Runs at once.
    pub limit: u32,
    /// What happens to a run that finds its group full.
    pub on_conflict: OnConflict,
}

/// What happens to a run that finds its group full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// It waits; the oldest goes first.
    #[default]
    Queue,
    /// It is cancelled at once.
    Skip,
    /// Those that go on or wait are cancelled, and it takes their place.
    CancelRunning,
}

impl OnConflict {
    /// Every word.
    pub const ALL: &'static [Self] = &[Self::Queue, Self::Skip, Self::CancelRunning];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Skip => "skip",
            Self::CancelRunning => "cancel-running",
        }
    }
}

/// A limit on how often runs begin.
#[derive(Debug)]
pub struct Throttle {
    /// Runs within `per_ms`.
    pub limit: u32,
    /// Milliseconds.
    pub per_ms: u64,
    /// Runs that may begin at once after a quiet time; at most `limit`.
    pub burst: u32,
    /// What is counted apart.
    pub key: Option<Template>,
}

/// Only the last of many events starts a run.
#[derive(Debug)]
pub struct Debounce {
    /// Which events belong together.
    pub key: Option<Template>,
    /// How long it must be quiet, in milliseconds.
    pub for_ms: u64,
    /// After how long a run starts all the same, in milliseconds from the first event.
    pub max_wait_ms: Option<u64>,
}

/// One run takes many events.
#[derive(Debug)]
pub struct Batch {
    /// Events that make it full.
    pub size: u32,
    /// How long after its first event it starts a run, in milliseconds.
    pub within_ms: u64,
    /// Which events belong together.
    pub key: Option<Template>,
}

/// How long ended runs are kept; what is absent is the host's to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// A run with its steps and attempts, in milliseconds from its end.
    pub runs_ms: Option<u64>,
    /// Its log lines, in milliseconds from its end.
    pub logs_ms: Option<u64>,
}
