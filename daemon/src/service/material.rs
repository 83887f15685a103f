//! What a handler needs to do its job, gathered before it starts: a stage has no store.
//!
//! Whoever makes a job usually holds these things already and hands them over with it; for a job that comes from
//! disk, `stage::load` gathers them again. They are plain data behind reference counts, so that a stage may one
//! day run in another process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tenantry_protocol::id::{EventId, NotificationId, RunId};
use tenantry_protocol::run::LogStream;
use tenantry_protocol::state::{EventKind, RunState};

use super::catalog::Live;
use super::event::Event;
use super::step_job::StepJob;
use super::trigger_job::Turn;
use crate::store::tenant::channels::Channel;
use crate::store::tenant::gatherings::Gathering;
use crate::store::tenant::waiters::Waiter;

/// What comes with a job in memory.
#[derive(Clone, Debug)]
pub enum Material {
    /// For the trigger stage.
    Event(EventMaterial),
    /// For the trigger stage: an event whose value nobody has needed so far.
    Unread(Arc<Event>),
    /// For the trigger stage: an event, and the steps that may wait for it.
    Awaited(EventMaterial, Vec<Waiter>),
    /// For the trigger stage: it is the turn of a run that is there already, in the slot that its throttle gave it.
    Turn(Turn, Option<i64>, Arc<RunMaterial>),
    /// For the trigger stage: events that have waited for others.
    Gathered(Arc<GatheredMaterial>),
    /// For the action stage: the run, and what is asked for.
    Step(Arc<RunMaterial>, StepJob),
    /// For the logging stage: the outcome, its run, and how the workflow's run before it ended (asked for only
    /// where a rule needs it).
    Record(Arc<OutcomeRecord>, Arc<RunMaterial>, Option<RunState>),
    /// For the notification stage.
    Notification(Arc<NotificationMaterial>),
}

impl Material {
    /// What it keeps in memory that nobody else needs, in bytes: the event of a job at the door. What a run is made of
    /// is shared by its jobs and is not counted.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Event(EventMaterial { event, .. })
            | Self::Awaited(EventMaterial { event, .. }, _)
            | Self::Unread(event) => event.body.len() + event.headers.len(),
            Self::Turn(..)
            | Self::Gathered(_)
            | Self::Step(..)
            | Self::Record(..)
            | Self::Notification(_) => 0,
        }
    }
}

/// An event and the value that expressions see.
#[derive(Clone, Debug)]
pub struct EventMaterial {
    /// As stored.
    pub event: Arc<Event>,
    /// As expressions see it.
    pub value: Arc<Value>,
}

/// Events that have waited for others.
#[derive(Clone, Debug)]
pub struct GatheredMaterial {
    /// As stored.
    pub gathering: Gathering,
    /// The workflow as it is now; none if it is deleted.
    pub live: Option<Arc<Live>>,
    /// The events that are still there: all of a batch, the last one of a debounce.
    pub events: Vec<EventMaterial>,
}

/// A run as far as it has come when a step of it is dispatched.
#[derive(Clone, Debug)]
pub struct RunMaterial {
    /// The revision it runs.
    pub live: Arc<Live>,
    /// The run.
    pub id: RunId,
    /// The event that started it.
    pub event_id: EventId,
    /// How the event came in.
    pub trigger: EventKind,
    /// Unix milliseconds.
    pub accepted_at: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// When it began; unix milliseconds. Before that, when it was created.
    pub started_at: i64,
    /// The run whose idempotency keys it uses: its own, or that of the first run that it retries.
    pub key_run: RunId,
    /// `event`.
    pub event: Arc<Value>,
    /// `inputs`.
    pub inputs: Arc<Value>,
    /// `steps`: the steps that have ended.
    pub steps: Arc<Value>,
    /// `vars`, if the workflow reads it.
    pub vars: Arc<Value>,
    /// `failed`: the first step that has failed the run so far.
    pub failed: Arc<Value>,
    /// The run that started it and waits for it, and the row of the step.
    pub parent: Option<(RunId, u32)>,
    /// How many runs stand above it.
    pub depth: u32,
}

impl RunMaterial {
    /// `run` as conditions and steps see it while the run goes on.
    pub fn run_value(&self) -> Value {
        json!({
            "id": self.id,
            "state": null,
            "previous_state": null,
            "error": null,
            "failed_step": null,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "ended_at": null,
            "duration_ms": null,
            "attempt": null,
            "idempotency_key": null,
        })
    }

    /// How many events its event follows from.
    pub fn event_depth(&self) -> u32 {
        self.event["depth"].as_u64().and_then(|depth| u32::try_from(depth).ok()).unwrap_or_default()
    }

    /// When the run's own time limit passes; unix milliseconds. A run that may wait for something outside has only
    /// the limit that its workflow sets.
    pub fn deadline(&self, default_ms: u64) -> i64 {
        let workflow = &self.live.workflow;
        let limit = workflow.timeout_ms.or_else(|| (!workflow.may_wait()).then_some(default_ms));
        limit.map_or(i64::MAX, |limit| self.started_at.saturating_add_unsigned(limit))
    }
}

/// What the action stage tells the logging stage about one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutcomeRecord {
    /// The layout of this record.
    pub v: u32,
    /// The step's position; absent for a record about the run itself (cancelled, nothing to do).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Counted from 1; 0 for a record about the run itself.
    pub attempt: u32,
    /// `succeeded`, `failed`, `retrying`, `cancelled`, `interrupted`; empty where only lines are sent on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds.
    pub ended_at: i64,
    /// What it wrote, secrets redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Set when the run ended with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunEnd {
    /// A terminal state.
    pub state: RunState,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The step that failed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<String>,
    /// What it left behind for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Map<String, Value>>,
    /// Unix milliseconds.
    pub at: i64,
}

/// A log line on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Unix milliseconds.
    pub at: i64,
    /// Where it came from.
    pub stream: LogStream,
    /// Without the line break, secrets redacted.
    pub text: String,
}

/// [`OutcomeRecord::v`] of this release.
pub const RECORD_VERSION: u32 = 1;

/// One message and the channel it goes to.
#[derive(Clone, Debug)]
pub struct NotificationMaterial {
    /// Its id, stable over attempts.
    pub id: NotificationId,
    /// Where it goes.
    pub channel: Arc<Channel>,
    /// The run it tells about.
    pub run: Option<RunId>,
    /// One line.
    pub title: String,
    /// The message.
    pub body: String,
    /// Unix milliseconds.
    pub created_at: i64,
}
