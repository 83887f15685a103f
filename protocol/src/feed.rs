//! The feed: what changes, pushed as server-sent events. A hint, never the truth: after a gap, read again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, JobId, NotificationId, RunId, TenantId};
use crate::state::{RunState, StageName, StepState, TenantState};

/// One change. The SSE id is `<daemon start>-<number>`; `Last-Event-ID` resumes while it is still in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FeedItem {
    /// When it happened; unix milliseconds.
    pub at: i64,
    /// The tenant it belongs to; absent for the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Change {
    /// The stream begins, or so many items were lost: read again what you show.
    Gap {
        /// Items that this client did not get.
        dropped: u64,
    },
    /// A tenant was created, changed or deleted, or is in another state.
    Tenant {
        /// Its name.
        name: String,
        /// Its state; absent when it was deleted.
        state: Option<TenantState>,
        /// Whether it is degraded.
        degraded: bool,
    },
    /// A workflow was applied, enabled, disabled or deleted.
    Workflow {
        /// Its name.
        name: String,
    },
    /// An event was accepted.
    Event {
        /// Its id.
        event: EventId,
        /// Webhook path, event name or workflow.
        source: String,
    },
    /// Fires of a schedule came too late and start no runs.
    Missed {
        /// The workflow's name.
        workflow: String,
        /// The schedule, as written.
        schedule: String,
        /// How many, counted up to 1000.
        count: u32,
        /// The oldest; unix milliseconds.
        first: i64,
        /// The newest; unix milliseconds.
        last: i64,
    },
    /// A run is in another state.
    Run {
        /// Its id.
        run: RunId,
        /// The workflow's name.
        workflow: String,
        /// Its state.
        state: RunState,
        /// Why it failed.
        error: Option<String>,
    },
    /// A step is in another state.
    Step {
        /// The run.
        run: RunId,
        /// The step's id.
        step: String,
        /// Its state.
        state: StepState,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// A job became a dead letter.
    Dead {
        /// Its id.
        job: JobId,
        /// The stage.
        stage: StageName,
        /// Why.
        error: String,
    },
    /// A notification was delivered.
    Notification {
        /// Its id.
        notification: NotificationId,
        /// The channel's name.
        channel: String,
    },
}
