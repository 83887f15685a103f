//! What a handler decided, as data. Settle turns it into rows.

use std::sync::Arc;

use serde_json::Value;
use tenantry_protocol::id::{EventId, RunId};
use tenantry_workflow::pace::Keys;
use tenantry_workflow::plan::Plan;

use crate::service::catalog::Live;
use crate::service::event::Event;
use crate::service::material::{EventMaterial, Line, NotificationMaterial, OutcomeRecord, RunMaterial};
use crate::service::notifications::Notice;
use crate::store::tenant::gatherings::Gathering;

/// What a handler decided.
#[derive(Debug)]
pub enum Outcome {
    /// The job is done; the effects happen with it.
    Done(Vec<Effect>),
    /// Try the job again later.
    Retry {
        /// From now, in milliseconds.
        after_ms: u64,
        /// Why.
        error: String,
        /// What happens all the same.
        effects: Vec<Effect>,
    },
    /// Give the job back without counting an attempt.
    Snooze {
        /// Not before this time; unix milliseconds.
        until: i64,
    },
    /// The job becomes a dead letter: only a person can say what to do.
    Reject {
        /// Why.
        error: String,
        /// What happens all the same.
        effects: Vec<Effect>,
    },
}

impl Outcome {
    /// Adds lines to the attempt that ended with it, if one did.
    pub(super) fn add_lines(&mut self, lines: Vec<Line>) {
        let effects = match self {
            Self::Done(effects) | Self::Retry { effects, .. } | Self::Reject { effects, .. } => effects,
            Self::Snooze { .. } => return,
        };
        for effect in effects {
            if let Effect::EndAttempt(end) = effect {
                end.lines.splice(0..0, lines);
                return;
            }
        }
    }
}

/// One thing that settle writes.
#[derive(Debug)]
pub enum Effect {
    /// A run begins.
    StartRun(Box<StartRun>),
    /// A run that is there already begins, if it may.
    BeginRun(Box<BeginRun>),
    /// A run is cancelled: another one takes its place.
    CancelRun(Arc<RunMaterial>),
    /// An event waits for others.
    Gather(Box<Gather>),
    /// Gathered events start a run, or are dropped.
    StartGathered(Box<StartGathered>),
    /// Gathered events cannot start a run as it is; the next events do not join them.
    CloseGathered(EventId),
    /// An attempt of a step ended; the run goes on from there.
    EndAttempt(Box<EndAttempt>),
    /// A step emitted an event.
    Emit(EventMaterial),
    /// An outcome is recorded.
    Record(Arc<OutcomeRecord>, Arc<RunMaterial>),
    /// A notification goes to a channel.
    Notify(Notice),
    /// A channel took a notification, or refused it.
    Deliver(Delivery),
}

/// A run to begin.
#[derive(Debug)]
pub struct StartRun {
    /// Its id.
    pub id: RunId,
    /// The revision.
    pub live: Arc<Live>,
    /// The event.
    pub event: Arc<Event>,
    /// `event` as expressions see it.
    pub value: Arc<Value>,
    /// `inputs`.
    pub inputs: Arc<Value>,
    /// What to dispatch first.
    pub plan: Plan,
    /// The texts of its group and its throttle.
    pub keys: Keys,
}

/// A run to begin that is there already: it has waited, or it repeats another one.
#[derive(Debug)]
pub struct BeginRun {
    /// The run as its rows have it.
    pub material: Arc<RunMaterial>,
    /// What to dispatch first.
    pub plan: Plan,
    /// The texts of its group and its throttle.
    pub keys: Keys,
    /// When its throttle lets it begin, if it was asked; unix milliseconds.
    pub slot: Option<i64>,
}

/// An event that waits for others.
#[derive(Debug)]
pub struct Gather {
    /// The workflow that waits.
    pub live: Arc<Live>,
    /// The event.
    pub event: EventId,
    /// Bytes of its body.
    pub bytes: u64,
    /// Which events belong together.
    pub key: String,
}

/// Gathered events that are due.
#[derive(Debug)]
pub struct StartGathered {
    /// As it was when the events were read.
    pub gathering: Gathering,
    /// The event of a batch, made of all of them; not stored yet.
    pub event: Option<EventMaterial>,
    /// The run; none if the workflow or the events are gone.
    pub start: Option<StartRun>,
}

/// The end of one attempt.
#[derive(Debug)]
pub struct EndAttempt {
    /// The run as the handler knew it.
    pub material: Arc<RunMaterial>,
    /// The step's position.
    pub step: usize,
    /// Counted from 1.
    pub attempt: u32,
    /// How it ended.
    pub end: AttemptEnd,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds.
    pub ended_at: i64,
    /// Lines that were not sent on while it ran.
    pub lines: Vec<Line>,
    /// Whether the run's own time limit passed.
    pub run_timed_out: bool,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub enum AttemptEnd {
    /// The action succeeded; what expressions see of it.
    Succeeded(Value),
    /// The action failed for good.
    Failed {
        /// Why.
        error: String,
        /// What expressions see of it.
        output: Option<Value>,
    },
    /// The action failed; the job's outcome is a retry.
    Retrying {
        /// Why.
        error: String,
    },
    /// The run was cancelled, or its time limit passed.
    Cancelled,
    /// At-most-once, and cut off by a crash.
    Interrupted,
}

impl AttemptEnd {
    /// The word in attempt records.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Retrying { .. } => "retrying",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// What expressions see of it.
    pub const fn output(&self) -> Option<&Value> {
        match self {
            Self::Succeeded(output) => Some(output),
            Self::Failed { output, .. } => output.as_ref(),
            Self::Retrying { .. } | Self::Cancelled | Self::Interrupted => None,
        }
    }

    /// Why it did not succeed.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Failed { error, .. } | Self::Retrying { error } => Some(error),
            Self::Interrupted => Some("cut off by a restart; at-most-once steps are not repeated"),
            Self::Succeeded(_) | Self::Cancelled => None,
        }
    }
}

/// What became of a notification.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The notification.
    pub notification: Arc<NotificationMaterial>,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// How it went.
    pub result: DeliveryResult,
}

/// How a delivery went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The channel took it.
    Delivered,
    /// It did not; the job's outcome is a retry.
    Retrying(String),
    /// It did not, and the job's outcome is a dead letter.
    Failed(String),
}
