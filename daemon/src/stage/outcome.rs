//! What a handler decided, as data. Settle turns it into rows.

use std::sync::Arc;

use serde_json::Value;
use tenantry_protocol::id::{EventId, RunId};
use tenantry_workflow::pace::Keys;
use tenantry_workflow::plan::{Plan, Slot};

use crate::service::catalog::Live;
use crate::service::event::Event;
use crate::service::material::{EventMaterial, Line, NotificationMaterial, OutcomeRecord, RunMaterial};
use crate::service::notifications::Notice;
use crate::service::step_job::{Came, StepJob};
use crate::store::tenant::gatherings::Gathering;
use crate::store::tenant::waiters::Awaited;

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
    /// Put the job aside with what it must know when it is claimed again, without counting an attempt.
    Park {
        /// Not before this time; unix milliseconds. Whoever brings what is waited for makes it earlier.
        until: i64,
        /// What the job says from now on.
        job: StepJob,
        /// What the step waits for, if it is more than a time.
        waiter: Option<NewWaiter>,
        /// What happens with it.
        effects: Vec<Effect>,
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
            Self::Snooze { .. } | Self::Park { .. } => return,
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
    /// An event waits for others.
    Gather(Box<Gather>),
    /// Gathered events start a run, or are dropped.
    StartGathered(Box<StartGathered>),
    /// Gathered events cannot start a run as it is; the next events do not join them.
    CloseGathered(EventId),
    /// A step starts a run.
    StartChild(Box<StartChild>),
    /// A run is to be stopped: its starter does not wait for it any more.
    StopRun(RunId),
    /// A run is cancelled because its starter was.
    Stop(Arc<RunMaterial>),
    /// A run is cancelled because another one takes its place.
    Supersede(Arc<RunMaterial>),
    /// Something that a step waits for has come.
    Wake(Box<Wake>),
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
    /// The step that waits for its end.
    pub parent: Option<Parent>,
    /// How many runs stand above it.
    pub depth: u32,
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

/// The step that has started a run and waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its run.
    pub run: RunId,
    /// Its row.
    pub row: u32,
}

/// A run that a step starts; its event is recorded with it.
#[derive(Debug)]
pub struct StartChild {
    /// The run.
    pub start: StartRun,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWaiter {
    /// The kind.
    pub kind: Awaited,
    /// Of an event: its name, or the beginning of its name and `*`.
    pub name: Option<String>,
    /// JSON, depending on the kind.
    pub detail: String,
}

/// A step to wake.
#[derive(Clone, Debug, PartialEq)]
pub struct Wake {
    /// Its run.
    pub run: RunId,
    /// Its row.
    pub row: u32,
    /// What it waits for.
    pub kind: Awaited,
    /// What has come.
    pub came: Came,
}

/// The end of one attempt.
#[derive(Debug)]
pub struct EndAttempt {
    /// The run as the handler knew it.
    pub material: Arc<RunMaterial>,
    /// The step, or the item of a step.
    pub slot: Slot,
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
