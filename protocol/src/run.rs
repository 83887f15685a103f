//! Events, runs, steps, attempts and log lines as clients see them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{EventId, RunId, WorkflowId};
use crate::permission::Role;
use crate::state::{EventKind, RunOrigin, RunState, StepState};

/// Starts a workflow by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunStart {
    /// The inputs of the manual trigger.
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// The same text again within a day gives the same answer and starts nothing twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// Emits an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventEmit {
    /// Names joined by dots, such as `invoice.paid`.
    pub name: String,
    /// What it carries: `event.body` in expressions.
    #[serde(default)]
    pub data: Value,
    /// The same text again within a day gives the same answer and emits nothing twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// What was made durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Accepted {
    /// The event.
    pub event: EventId,
    /// The run, where the operation starts exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Whether it had been accepted before under the same key.
    pub duplicate: bool,
}

/// An event as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// How it came in.
    pub kind: EventKind,
    /// The webhook's path, the emitted event's name, or the workflow started by hand.
    pub source: String,
    /// Unix milliseconds.
    pub received_at: i64,
    /// Size of the body in bytes.
    pub body_bytes: u64,
    /// Its runs; absent in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunId>,
    /// `event` as expressions see it; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunQuery {
    /// Only runs of this workflow, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only runs in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// How a run is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunReplay {
    /// On the workflow's newest revision instead of the run's own.
    #[serde(default)]
    pub latest: bool,
}

/// Which runs are cancelled, retried or replayed together. Without any filter, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunMany {
    /// Only runs of this workflow, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only runs in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// Only runs that were accepted then or later; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Only runs that were accepted then or earlier; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Only tell what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Replay on the newest revision.
    #[serde(default)]
    pub latest: bool,
    /// Runs that are looked at, at most 100; the answer says where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What became of one of many runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RunManyItem {
    /// The run.
    pub run: RunId,
    /// Its workflow's name.
    pub workflow: String,
    /// Where it stood.
    pub state: RunState,
    /// What happened.
    pub outcome: ManyOutcome,
    /// The run that repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<RunId>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

crate::state::words! {
    /// What became of one of many runs.
    ManyOutcome {
        /// A dry run: it would be done.
        Would = "would",
        /// It was done.
        Done = "done",
        /// It could not be done.
        Refused = "refused",
    }
}

/// A run as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The workflow's id.
    pub workflow_id: WorkflowId,
    /// The workflow's name.
    pub workflow: String,
    /// The revision it runs.
    pub revision: u32,
    /// The event that started it.
    pub event: EventId,
    /// How the event came in.
    pub trigger: EventKind,
    /// What the trigger was: the webhook's path, the emitted event's name, or the workflow started by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who brought the event or asked for the repetition, as in the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How it repeats another run, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RunOrigin>,
    /// The run that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<RunId>,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the event was made durable; unix milliseconds.
    pub accepted_at: i64,
    /// When the trigger stage created the run; unix milliseconds.
    pub created_at: i64,
    /// When the first attempt began; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// When the last step ended; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// When its last outcome was recorded; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_at: Option<i64>,
    /// When its last notification was delivered; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_at: Option<i64>,
    /// Inputs of a run started by hand.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// What it has left behind: the `outputs` of its workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Map<String, Value>>,
    /// How it is about to end: it was cancelled or its time limit passed, and its last steps are at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<RunState>,
    /// Its steps; absent in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepView>,
    /// Milliseconds spent in each stage, waiting included; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<StageTimes>,
}

/// Milliseconds that a run spent in each stage, the waiting in its queue included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StageTimes {
    /// From the event's acceptance to the run's creation.
    pub trigger_ms: i64,
    /// From the run's creation to the end of its last step.
    pub action_ms: Option<i64>,
    /// From there to the record of the outcome.
    pub logging_ms: Option<i64>,
    /// From there to the last delivery.
    pub notification_ms: Option<i64>,
}

/// A step of a run as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StepView {
    /// Its id in the workflow.
    pub id: String,
    /// Its position in the workflow, from 0.
    pub index: u32,
    /// The item of a `foreach` that this is about, from 0; absent for the step itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// How far its items are, if it has a `foreach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsView>,
    /// What it does, by the key of the language: `http`, `run`, `approve`.
    pub kind: String,
    /// Where it stands.
    pub state: StepState,
    /// Attempts so far.
    pub attempt: u32,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// Why it failed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What expressions see as `steps.<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its attempts; absent where only the run was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptView>,
}

/// A decision on a step that waits for an approval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Decide {
    /// Why; kept with the step and in the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A step that waits for an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ApprovalView {
    /// The run.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The step's id.
    pub step: String,
    /// What is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The least role that may decide.
    pub by: Role,
    /// Unix milliseconds.
    pub asked_at: i64,
    /// Until when; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
}

/// How far the items of a step are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ItemsView {
    /// All of them.
    pub total: u32,
    /// Those that have ended.
    pub ended: u32,
    /// Those that have failed.
    pub failed: u32,
}

/// One try of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AttemptView {
    /// Counted from 1.
    pub number: u32,
    /// `succeeded`, `failed`, `retrying`, `cancelled` or `interrupted`.
    pub outcome: String,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds.
    pub ended_at: i64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Which log lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LogQuery {
    /// Stream new lines until the run has ended.
    #[serde(default)]
    pub follow: bool,
    /// Only lines of this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// As in every list; log lines come oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One line that a run produced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogLine {
    /// Its place in the tenant's log; the id of the stream.
    pub seq: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// The step's id.
    pub step: String,
    /// The item of a `foreach` that it is about, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Where it came from.
    pub stream: LogStream,
    /// The line, secrets redacted, control characters kept: a client sanitises before it shows them.
    pub text: String,
}

crate::state::words! {
    /// Where a log line came from.
    LogStream {
        /// The command's standard output.
        Stdout = "stdout",
        /// The command's standard error.
        Stderr = "stderr",
        /// The daemon, about the attempt.
        System = "system",
    }
}
