//! Workflows and their revisions as clients see them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::WorkflowId;

/// Applies a workflow: creates it, or adds a revision if its source changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkflowApply {
    /// The file's name, for findings. Its extension says the format.
    #[serde(default = "stdin_name")]
    pub file: String,
    /// The definition's text.
    pub source: String,
    /// Check and compare only; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

fn stdin_name() -> String {
    "-".to_owned()
}

crate::state::words! {
    /// What applying did.
    Applied {
        /// The workflow is new.
        Created = "created",
        /// It has a new revision.
        Updated = "updated",
        /// The source is the newest revision's.
        Unchanged = "unchanged",
        /// It is deleted; its runs are kept.
        Pruned = "pruned",
    }
}

/// The answer to [`WorkflowApply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WorkflowApplied {
    /// What happened, or would happen with `dry-run`.
    pub applied: Applied,
    /// The workflow after it; absent for a dry run that would create it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowView>,
    /// Findings that do not refuse the definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<crate::error::Finding>,
}

/// One file of a [`WorkflowSet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkflowFile {
    /// Its name, for findings. Its extension says the format.
    #[serde(default = "stdin_name")]
    pub file: String,
    /// The definition's text.
    pub source: String,
}

/// Applies several workflows together: all of them, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkflowSet {
    /// The definitions; each name once, at most 1,000.
    #[serde(default)]
    pub files: Vec<WorkflowFile>,
    /// Names of workflows that are deleted with it. One that is not there any more refuses the whole set.
    #[serde(default)]
    pub prune: Vec<String>,
    /// Check and compare only; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of one workflow of a [`WorkflowSet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WorkflowSetItem {
    /// Its name.
    pub name: String,
    /// What happened, or would happen with `dry-run`.
    pub applied: Applied,
    /// Its file; absent for one that is pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its newest revision after it; with `dry-run` the one before it, absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
}

/// The answer to [`WorkflowSet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WorkflowSetApplied {
    /// In the order of the files, then what is pruned.
    pub workflows: Vec<WorkflowSetItem>,
    /// Findings that do not refuse the set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<crate::error::Finding>,
}

/// Changes a workflow without a new revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkflowUpdate {
    /// Whether its triggers fire.
    pub enabled: bool,
}

/// A workflow as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WorkflowView {
    /// Its id.
    pub id: WorkflowId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether its triggers fire.
    pub enabled: bool,
    /// The newest revision.
    pub revision: u32,
    /// What starts it, for people: `webhook /hooks/acme/stripe`, `manual`, `event invoice.paid`.
    pub triggers: Vec<TriggerView>,
    /// Inputs of the manual trigger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputView>,
    /// Ids of its steps in order.
    pub steps: Vec<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

/// One trigger of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TriggerView {
    /// `webhook`, `manual`, `event`, `workflow`, `schedule` or `file`.
    pub kind: String,
    /// The webhook's path on the ingress listener, the event's name, the name of the workflow whose end it is, the
    /// schedule, or the file's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// How a webhook is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// The whole URL of a webhook, where the daemon knows how it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why it cannot work as things are: no secret that verifies a webhook exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// One input of a manual trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InputView {
    /// Its name.
    pub name: String,
    /// `string`, `number`, `boolean`, `choice` or `json`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What is taken if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One revision of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RevisionView {
    /// Counted from 1.
    pub number: u32,
    /// `yaml`, `toml` or `json`.
    pub format: String,
    /// SHA-256 of the source, hexadecimal.
    pub sha256: String,
    /// Who applied it.
    pub created_by: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The definition's text; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Which fires are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NextQuery {
    /// How many, 10 if left out, 100 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// When a workflow will start by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NextFires {
    /// Its name.
    pub workflow: String,
    /// Whether its schedules fire.
    pub enabled: bool,
    /// The next fires, soonest first; none while it is disabled.
    pub fires: Vec<FireView>,
    /// How its schedules stand.
    pub schedules: Vec<ScheduleView>,
}

/// A fire to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FireView {
    /// Unix milliseconds.
    pub at: i64,
    /// The same as people in the schedule's time zone write it, with the offset.
    pub local: String,
    /// The cron expression or the instant, as written.
    pub schedule: String,
    /// The time zone.
    pub timezone: String,
    /// When the run is due: later than the fire where the schedule has a jitter. Unix milliseconds.
    pub starts_at: i64,
}

/// How a schedule stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ScheduleView {
    /// The cron expression or the instant, as written.
    pub schedule: String,
    /// The time zone.
    pub timezone: String,
    /// When its next run is due; absent if there is none. Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<i64>,
    /// The fire that last started a run; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fire: Option<i64>,
    /// Runs it has started.
    pub started: u32,
    /// Fires that came too late.
    pub missed: u32,
    /// The newest of them; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_missed: Option<i64>,
    /// Fires that found the run before still there.
    pub skipped: u32,
}
