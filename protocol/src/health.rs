//! Health and status of the daemon.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tenant::TenantStats;

/// The fixed answer to everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// `serving`, `starting` or `draining`.
    pub state: HealthState,
    /// The version of the API, counted up on breaking changes.
    pub api: u32,
}

crate::state::words! {
    /// Whether the daemon serves.
    HealthState {
        /// It recovers what a crash left.
        Starting = "starting",
        /// It serves.
        Serving = "serving",
        /// It stops: nothing new is accepted.
        Draining = "draining",
    }
}

/// What the operator of the host sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// As in [`Health`].
    pub state: HealthState,
    /// The release.
    pub version: String,
    /// The daemon's process.
    pub pid: u32,
    /// When it started; unix milliseconds.
    pub started_at: i64,
    /// The data folder.
    pub data: String,
    /// The API socket.
    pub socket: String,
    /// The ingress listener, `address:port`.
    pub ingress: String,
    /// The base of webhook URLs as the outside sees it.
    pub public_url: String,
    /// Tenants: all, degraded, quarantined.
    pub tenants: TenantCounts,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// Supervised tasks that are not well.
    pub degraded_tasks: Vec<TaskView>,
    /// Supervised tasks in all.
    pub tasks: u64,
    /// What became of schedules while the daemon was away; absent until it has looked at all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// What the runner has in force: `no-new-privs`, `landlock-7`, `rlimits`, …
    pub sandbox: Vec<String>,
}

/// The time before the daemon's start in which it was away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Downtime {
    /// The last sign of life before it, half a minute exact; absent at the first start. Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The start; unix milliseconds.
    pub until: i64,
    /// Fires in that time that started runs afterwards.
    pub caught_up: u64,
    /// Fires in that time that did not.
    pub missed: u64,
    /// The tenants with such fires.
    pub tenants: Vec<TenantDowntime>,
}

/// What became of one tenant's fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TenantDowntime {
    /// Its name.
    pub tenant: String,
    /// Fires that started runs afterwards.
    pub caught_up: u64,
    /// Fires that did not.
    pub missed: u64,
}

/// How many tenants there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TenantCounts {
    /// All.
    pub total: u64,
    /// Those whose store or stages fail at present.
    pub degraded: u64,
    /// Those that were set aside.
    pub quarantined: u64,
}

/// A supervised task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TaskView {
    /// Its name.
    pub name: String,
    /// How often it was restarted.
    pub restarts: u64,
    /// Why it ended the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Counters and queues of every tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HostStats {
    /// When it was taken; unix milliseconds.
    pub at: i64,
    /// One entry a tenant, by name.
    pub tenants: Vec<TenantStats>,
}

/// Written into the data folder as `ready.json` when the daemon serves: how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ready {
    /// The daemon's process.
    pub pid: u32,
    /// The API socket.
    pub socket: String,
    /// The ingress listener, `address:port`.
    pub ingress: String,
    /// The release.
    pub version: String,
}

/// The version of the API in paths and in [`Health`].
pub const API_VERSION: u32 = 1;
